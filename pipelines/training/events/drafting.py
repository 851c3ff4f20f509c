"""Makes one draft of events: attacks one modality at a time, hears the judges of each, checks, writes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch

import generators.attacks
from data.draft_files import DraftRecord
from data.drafts import Judged, write_draft
from data.forms import Form
from data.plugins import plugin
from data.records import Batch
from generators.along import along
from generators.attacks import Attack
from generators.crossmodal import Bench, attack_one, hear, moved
from pipelines.recipes import Recipe
from pipelines.training.drafting import DRAFTS, SPLIT, preview_file
from pipelines.training.events.attacking import Pick, attacks_of
from pipelines.training.events.examples import write_examples
from pipelines.training.events.fitting import ball_of
from pipelines.training.events.participants import benches_of, paired_anew, pairs_of
from pipelines.training.materialise import AT_ONCE, draft_rng
from pipelines.training.models.fusion import Fusion, load_fusion
from pipelines.training.progress import report


@dataclass(frozen=True)
class Cast:
    """Who takes part in a draft, loaded; `members` is modality -> N keys of the real events' members."""

    attacks: Pick
    model: Fusion
    real: Batch
    members: Mapping[str, Sequence[str]]
    benches: Mapping[str, Bench]
    forms: Mapping[str, Form]


def build_draft(recipe: Recipe, run: Path, attacked: str, set_name: str, number: int) -> DraftRecord:
    """Attack real training events, paired anew for this round; an equal share of candidates for each modality.

    Args:
        attacked: the model's file within the run.
        set_name: the set's folder within it.
        number: of the draft, which is the round.

    Raises:
        Damaged: a checkpoint is unreadable.
    """
    rng = draft_rng(recipe.seed, set_name, number)
    held = cast_of(recipe, run, attacked, number)
    judged = list(_judged(recipe, held, set_name, rng))
    write_examples(run / preview_file(set_name, number), judged, held.model, held.forms)
    return write_draft(run / DRAFTS / set_name, SPLIT, number, judged, rng, held.forms)


def cast_of(recipe: Recipe, run: Path, attacked: str, number: int) -> Cast:
    """Load who takes part; raises as `build_draft`."""
    pairs, paired = pairs_of(run), paired_anew(recipe.source, number)
    real = pairs.batch("train", paired)
    named = dict(zip(pairs.sides, zip(*pairs.members("train", paired), strict=True), strict=True))
    return Cast(
        attacks_of(recipe, run), load_fusion(run / attacked), real, named, benches_of(recipe, run), pairs.forms()
    )


def _judged(recipe: Recipe, held: Cast, set_name: str, rng: torch.Generator) -> Iterator[Judged]:
    options, search, done = recipe.events, recipe.rounds.search, 0
    attack = cast(Attack, plugin(generators.attacks, search.attack))
    each = recipe.rounds.candidates // len(options.modalities)
    order = torch.randperm(len(held.real), generator=rng)
    for at, name in enumerate(options.modalities):
        chosen = order[torch.arange(at * each, (at + 1) * each) % len(order)]
        ball = ball_of(options, name, search.steps)
        for rows in torch.split(chosen, AT_ONCE):
            real = held.real.rows(rows)
            some = Batch(real.keys, moved(real.inputs, options.shift, rng), real.labels)
            way = along(held.model, held.model.holding(some.inputs, name), name, held.forms[name])
            made = attack_one(way, some, held.attacks(name, attack), ball, rng)
            members = {other: [keys[row] for row in rows.tolist()] for other, keys in held.members.items()}
            heard = hear(held.benches, made, members)
            verdict = heard.verdict(made.batch.labels, options.judged, options.seen)
            yield Judged(made, verdict, heard.consensus)
            report(set_name, done := done + len(rows), each * len(options.modalities))
