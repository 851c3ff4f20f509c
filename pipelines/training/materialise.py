"""Makes one draft: proposes candidates, hears the witnesses, checks, writes."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import and_
from typing import cast

import torch
from torch import Tensor

import generators.checks
import generators.search
from data.draft_files import DraftRecord
from data.drafts import Judged, write_draft
from data.plugins import plugin
from data.records import Batch, Candidates, Verdict
from generators.apportioning import plain_mix
from generators.checks import Check, Evidence, Witnesses, hear, press
from generators.margins import Model
from generators.options import Ball, SearchOptions
from generators.search import Scene, Search
from pipelines.training.drafting import DRAFTS, SPLIT, DraftRequest, preview_file
from pipelines.training.pages.previews import write_previews
from pipelines.training.participants import scene_of, taken, witnesses_of
from pipelines.training.progress import report
from pipelines.training.quotas import Quotas, quotas_of

AT_ONCE = 256
"""Candidates that are searched together."""


@dataclass(frozen=True)
class Court:
    """Who makes a draft's candidates and judges them, loaded."""

    scene: Scene
    witnesses: Witnesses
    checks: Sequence[tuple[Check, float]]
    quotas: Quotas | None


def build_draft(request: DraftRequest) -> DraftRecord:
    """Make one draft of a set; its random numbers come from (seed, set, number) alone.

    Raises:
        Damaged: a checkpoint is unreadable.
        WrongUse: an unknown search or check.
    """
    rng = draft_rng(request.seed, request.set_name, request.number)
    judged = list(judge_all(request, court_of(request), rng))
    write_previews(request.run / preview_file(request.set_name, request.number), judged)
    return write_draft(request.run / DRAFTS / request.set_name, SPLIT, request.number, judged, rng)


def court_of(request: DraftRequest) -> Court:
    """Load who takes part; raises as `build_draft`."""
    scene = scene_of(request.run, request.source, request.attacked, search=request.search, folds=request.folds)
    names = taken(request.run).summary.class_names
    quotas = quotas_of(scene.real, names, request.balance, request.quotas, request.parts)
    checks = [(cast(Check, plugin(generators.checks, name)), limit) for name, limit in request.checks.items()]
    return Court(scene, witnesses_of(request.run, request.source, request.folds), checks, quotas)


def judge_all(request: DraftRequest, court: Court, rng: torch.Generator) -> Iterator[Judged]:
    """Search and judge all of a draft's candidates, at most `AT_ONCE` of one search together."""
    scene, done = court.scene, 0
    for name, y in _wanted(request, court, rng):
        candidates = cast(Search, plugin(generators.search, name))(scene, y, request.search, rng)
        heard = hear(court.witnesses, candidates.batch)
        evidence = pressed(heard, scene.model, candidates, request.search, request.checks)
        verdicts = (check(candidates, evidence, limit) for check, limit in court.checks)
        verdict = reduce(and_, verdicts, everything(candidates))
        if court.quotas is not None:
            court.quotas.note(y, verdict.accepted)
        yield Judged(candidates, verdict, evidence.softened(request.softness))
        done += len(y)
        report(f"{request.set_name} {request.number}", done, request.attempts)


def pressed(
    evidence: Evidence, model: Model, candidates: Candidates, search: SearchOptions, checks: Mapping[str, object]
) -> Evidence:
    """The evidence, with margins under attack where a check asks for them: PGD-7 within `search.epsilon`."""
    if "robust_margin" not in checks:
        return evidence
    ball = Ball(search.epsilon, search.norm, steps=7, step_size=2.5 * search.epsilon / 7, random_start=False)
    return replace(evidence, robust_margins=press(model, candidates, ball, torch.Generator()))


def _wanted(request: DraftRequest, court: Court, rng: torch.Generator) -> Iterator[tuple[str, Tensor]]:
    """Search after search, the labels that it is to look for at once, int64 (N,)."""
    if request.allotted:
        yield from ((name, y) for name, y in _allotted(request.allotted, rng) if len(y))
        return
    left, quotas = request.attempts, court.quotas
    for name, count in plain_mix(request.search.mix, request.attempts).items():
        if quotas is None:
            labels = balanced_labels(court.scene.real, count, rng)
            yield from ((name, y) for y in torch.split(labels, AT_ONCE) if count)
            continue
        for start in range(0, count, AT_ONCE):
            size = min(AT_ONCE, count - start)
            yield name, quotas.labels(size, left, rng)
            left -= size


def _allotted(candidates: Mapping[str, Sequence[int]], rng: torch.Generator) -> Iterator[tuple[str, Tensor]]:
    for name, counts in candidates.items():
        labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
        shuffled = labels[torch.randperm(len(labels), generator=rng)]
        yield from ((name, y) for y in torch.split(shuffled, AT_ONCE))


def everything(candidates: Candidates) -> Verdict:
    """The verdict that refuses nothing."""
    return Verdict(("",) * len(candidates), {})


def balanced_labels(real: Batch, count: int, rng: torch.Generator) -> Tensor:
    """`count` labels, int64 (count,), each class of the real samples as often as any other, shuffled."""
    classes = torch.tensor(sorted(set(real.labels.tolist())))
    return classes[torch.randperm(count, generator=rng) % len(classes)]


def draft_rng(seed: int, set_name: str, number: int) -> torch.Generator:
    """The random numbers of one draft: the same on any machine, in any order of drafts."""
    digest = hashlib.sha256(f"{seed}/{set_name}/{number}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
