"""Makes one draft: proposes candidates, hears the witnesses, checks, writes."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import and_
from pathlib import Path
from typing import Literal, cast

import torch
from torch import Tensor

import generators.attacks
import generators.checks
import generators.search
from data.drafts import DraftRecord, Judged, write_draft
from data.plugins import plugin
from data.records import Batch, Candidates, Verdict
from data.sources import SourceOptions
from generators.balls import Ball
from generators.checks import Check, Evidence, Witnesses, hear, press
from generators.margins import Model
from generators.search import Scene, Search, SearchOptions, plain_mix
from pipelines.training.pages.previews import write_previews
from pipelines.training.participants import scene_of, taken, witnesses_of
from pipelines.training.progress import report
from pipelines.training.quotas import Balance, Quotas, quotas_of

SPLIT = "train"
AT_ONCE = 256
"""Candidates that are searched together."""


DRAFTS = "drafts"
"""Folder of the drafts within the run; each set has its own below."""


@dataclass(frozen=True)
class ShardOptions:
    """How many candidates are tried, and into how many shards those kept are dealt."""

    count: int = 8
    """Shards of the set, which differ by at most one sample; take a multiple of ranks x workers of the trainer."""
    parts: int = 8
    """Tasks among which the candidates are divided."""
    attempts: int = 3000
    """Candidates of each part."""
    balance: Balance = "even"
    """Classes: `even` tries all alike, and keeps what passes; `fill` makes real and kept samples together even, thin
    classes first; `source` keeps them in proportion to the real ones."""
    quotas: dict[str, float] = field(default_factory=dict)
    """Class, by name or number -> its share of what is kept (with `fill`: of real and kept together); `balance` rules
    the other classes."""
    url: str = ""
    """Where the set is put: a folder or a URL as s3://bucket/folder; empty for the run's own folder."""
    softness: float = 2.4
    """Temperature of the soft labels over the judges' own, which train no better, see docs/labels.md; 1 for theirs."""
    label_error: float = 0.005
    """Share of wrong labels among the kept that a threshold given as `auto` is chosen for, see docs/labels.md."""

    def __post_init__(self) -> None:
        for name in ("count", "parts", "attempts"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"shards.{name} must be >= 1, got {getattr(self, name)}")
        if not 0 < self.softness < float("inf"):
            raise ValueError(f"shards.softness must be > 0 and finite, got {self.softness}")
        if not 0 <= self.label_error < 1:
            raise ValueError(f"shards.label_error must lie in [0, 1[, got {self.label_error}")
        if any(not 0 <= share <= 1 for share in self.quotas.values()) or not sum(self.quotas.values()) < 1 + 1e-6:
            raise ValueError(f"shards.quotas must be shares >= 0 that sum to at most 1, got {dict(self.quotas)}")
        if self.url.startswith("memory:"):
            raise ValueError(f"shards.url must outlive the process, got {self.url}")


AUTO: Literal["auto"] = "auto"
Threshold = float | Literal["auto"]
"""What a check takes, or `auto`: chosen for `shards.label_error` on planted errors."""


def default_checks() -> dict[str, Threshold]:
    """The checks and thresholds of the default recipe; each threshold means what its check says."""
    return {"robust_margin": 0.0, "agreement": AUTO, "realism": 0.02, "near_duplicate": 0.5}


@dataclass(frozen=True)
class DraftRequest:
    """All that a draft depends on, but for the networks in the run's folder."""

    run: Path
    set_name: str
    """Folder within the run."""
    number: int
    attempts: int
    seed: int
    folds: int
    source: SourceOptions
    search: SearchOptions
    checks: Mapping[str, float] = field(default_factory=dict)
    attacked: str = ""
    """The attacked model's file within the run; empty for the run's own model."""
    parts: int = 1
    """Drafts of the set."""
    balance: Balance = "even"
    quotas: Mapping[str, float] = field(default_factory=dict)
    softness: float = 1.0
    """Temperature of the soft labels."""
    allotted: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Search -> candidates of each class, where a budget says; then mix, balance and quotas have had their say."""


@dataclass(frozen=True)
class Court:
    """Who makes a draft's candidates and judges them, loaded."""

    scene: Scene
    witnesses: Witnesses
    checks: Sequence[tuple[Check, float]]
    quotas: Quotas | None


def preview_file(set_name: str, number: int) -> str:
    """Where a draft's pictures for the report lie, within the run."""
    return f"previews/{set_name}-{number:06d}.npz"


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
    ensemble, folds = request.search.ensemble, request.folds
    scene = scene_of(request.run, request.source, request.attacked, ensemble=ensemble, folds=folds)
    names = taken(request.run).summary.class_names
    quotas = quotas_of(scene.real, names, request.balance, request.quotas, request.parts)
    checks = [(cast(Check, plugin(generators.checks, name)), limit) for name, limit in request.checks.items()]
    return Court(scene, witnesses_of(request.run, request.source, folds), checks, quotas)


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


def known_plugins(search: SearchOptions, checks: Mapping[str, Threshold]) -> None:
    """Look every search, check and attack up before any work.

    Raises:
        WrongUse: one of them does not exist.
    """
    plugin(generators.attacks, search.attack)
    for name in search.mix:
        plugin(generators.search, name)
    for name in checks:
        plugin(generators.checks, name)
