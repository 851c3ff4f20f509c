"""Makes the draft of one way: proposes events, hears the judges of each modality, checks, writes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from data.draft_files import DraftRecord
from data.drafts import Judged, write_draft
from generators.synthesis import (
    Demands,
    Jury,
    Made,
    Real,
    candidates_of,
    consensus_of,
    from_draws,
    from_latents,
    from_partners,
    verdict_of,
)
from pipelines.recipes import Recipe
from pipelines.training.drafting import DRAFTS, SPLIT
from pipelines.training.events.participants import benches_of, events, pairs_of
from pipelines.training.materialise import AT_ONCE, balanced_labels, draft_rng
from pipelines.training.progress import report
from pipelines.training.synthesis.fitting import conditions_of, load_pair_generator, members
from pipelines.training.synthesis.options import PAIRED, SYNCHRONISED, WALK
from pipelines.training.synthesis.places import SET, file_of, gan_stage
from pipelines.training.synthesis.walking import in_band, walk_of


def make_draft(recipe: Recipe, run: Path, way: str, number: int) -> DraftRecord:
    """Make and check the candidates of a way; its random numbers come from the seed and the way's name alone."""
    options, rng = recipe.synthesis, draft_rng(recipe.seed, f"{DRAFTS}/{SET}/{way}", 0)
    jury, real = jury_of(recipe, run), real_events(recipe, run)
    judged, count = list[Judged](), options.ways[way]
    demands = Demands(options.agreed, options.agreed_on(way), options.apart)
    for made in proposed(recipe, run, way, real, count, rng):
        heard = jury.hear(made)
        told = consensus_of(heard)
        verdict = in_band(made, options.walk.band) & verdict_of(made, jury, heard, demands)
        judged.append(Judged(candidates_of(made, way, told), verdict, told))
        report(f"{SET} {way}", min(AT_ONCE * len(judged), count), count)
    return write_draft(run / DRAFTS / SET, SPLIT, number, judged, rng, pairs_of(run).forms())


def jury_of(recipe: Recipe, run: Path) -> Jury:
    """The run's judges, and the real members that copies are measured against."""
    names = recipe.events.modalities
    known, held_out = (
        {name: members(recipe, run, name, part).inputs[name] for name in names} for part in ("train", "validation")
    )
    return Jury(benches_of(recipe, run), known, held_out, pairs_of(run).forms())


def real_events(recipe: Recipe, run: Path) -> Real:
    """The training events, and whose members they are."""
    pairs = pairs_of(run)
    keys = zip(*pairs.members("train", recipe.source), strict=True)
    return Real(events(run, "train", recipe.source), dict(zip(pairs.sides, keys, strict=True)))


def proposed(recipe: Recipe, run: Path, way: str, real: Real, count: int, rng: torch.Generator) -> Iterator[Made]:
    """So many candidates of a way, some hundreds at a time; from latents as many of each class, else of each event."""
    if way == PAIRED:
        generator, classes = load_pair_generator(run / file_of(gan_stage(way))), len(pairs_of(run).summary.class_names)
        for y in torch.split(balanced_labels(real.events, count, rng), AT_ONCE):
            yield from_latents(generator, y, classes, rng)
        return
    make, order = _maker(recipe, run, way, rng), torch.randperm(len(real.events), generator=rng)
    for rows in torch.split(order[torch.arange(count) % len(order)], AT_ONCE):
        yield make(real.rows(rows))


def _maker(recipe: Recipe, run: Path, way: str, rng: torch.Generator) -> Callable[[Real], Made]:
    """What a way that starts at real events makes of some of them."""
    if way == SYNCHRONISED:
        return lambda real: from_draws(real, recipe.synthesis.sync, rng)
    generator = load_pair_generator(run / file_of(gan_stage(way)))
    if way.startswith(WALK):
        return walk_of(recipe, run, way, generator, rng)
    return lambda real: from_partners(generator, real, conditions_of(recipe, run, way, real.events), rng)
