"""What examiners, who filter nothing, say of what was made, beside what they say of real held-out events.

Train on synthetic, test on real (TSTR): Esteban et al. 2017, arXiv:1706.02633.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from data.modalities import modality
from data.reading import Sample, read_samples
from data.records import Batch
from data.store import Store
from generators.paired_networks import PairGenerator
from generators.synthesis import Real
from pipelines.recipes import Recipe
from pipelines.training.events.participants import events, pairs_of
from pipelines.training.materialise import balanced_labels, draft_rng
from pipelines.training.models.fusion import Fusion, load_fusion
from pipelines.training.progress import report
from pipelines.training.synthesis.fitting import conditions_of, fit_alone, load_pair_generator, members, right_of
from pipelines.training.synthesis.options import PAIRED, WALK, made_by_way
from pipelines.training.synthesis.places import SET, examiner_stage, file_of, gan_stage
from pipelines.training.synthesis.walking import attacked, hardness_of, walk_of

AT_MOST = 100
"""Samples of a class whose distances are taken for the diversity."""
Figures = dict[str, float]


def measure(recipe: Recipe, run: Path, way: str) -> dict[str, object]:
    """Every figure of one way; shares and ratios between 0 and 1, but `diversity`, which is about 1."""
    held_out = events(run, recipe.evaluation.part, recipe.source)
    held_out = held_out.rows(torch.arange(min(recipe.synthesis.measured, len(held_out))))
    kept = kept_of(run, way)
    found: dict[str, object] = {"real": said_of(recipe, run, held_out), "kept": said_of(recipe, run, kept)}
    names = recipe.events.modalities
    if made := made_by_way(way, names):
        generator, rng = load_pair_generator(run / file_of(gan_stage(way))), draft_rng(recipe.seed, f"{SET}/{way}", 0)
        if way == PAIRED:
            found |= _paired(recipe, run, generator, rng)
        elif way.startswith(WALK):
            found |= _walked(recipe, run, way, generator, held_out, rng)
        else:
            found |= _crossed(recipe, run, way, generator, held_out, rng)
        tested = {name: trained_on_made(recipe, run, name, kept, held_out) for name in made}
        found["trained"] = tested
        known = members(recipe, run, made[0], "train")
        found["diversity_kept"] = spread_of(kept, held_out, made)
        found["training_members"] = len(known)
    report(f"figures of {way}", 1, 1)
    return found


def _paired(recipe: Recipe, run: Path, generator: PairGenerator, rng: torch.Generator) -> dict[str, object]:
    """Before filtering; and the control, whose modalities come from two latents and two classes drawn apart."""
    classes, options = len(pairs_of(run).summary.class_names), recipe.synthesis
    y, other = (balanced_labels(events(run, "train", recipe.source), options.measured, rng) for _ in range(2))
    made, apart = (_batch(generator, labels, classes, rng) for labels in (y, other))
    first, *rest = generator.shape.forms
    strangers = Batch(made.keys, {first: made.inputs[first], **{name: apart.inputs[name] for name in rest}}, y)
    held_out = events(run, recipe.evaluation.part, recipe.source)
    return {
        "unfiltered": said_of(recipe, run, made),
        "control": said_of(recipe, run, strangers),
        "diversity": spread_of(made, held_out, generator.shape.forms),
    }


@torch.no_grad()
def _batch(generator: PairGenerator, y: Tensor, classes: int, rng: torch.Generator) -> Batch:
    z = torch.randn(len(y), generator.shape.latent, generator=rng)
    x = generator(z, torch.nn.functional.one_hot(y, classes).float())
    return Batch(tuple(map(str, range(len(y)))), x, y)


@torch.no_grad()
def _crossed(
    recipe: Recipe, run: Path, way: str, generator: PairGenerator, held_out: Batch, rng: torch.Generator
) -> dict[str, object]:
    """Made for held-out partners, before filtering; and the control, made for the partners of other events."""
    conditions = conditions_of(recipe, run, way, held_out)
    z = torch.randn(len(held_out), generator.shape.latent, generator=rng)
    shuffled = conditions[torch.randperm(len(held_out), generator=rng)]
    made, control = (
        Batch(held_out.keys, {**held_out.inputs, **generator(z, told)}, held_out.labels)
        for told in (conditions, shuffled)
    )
    return {
        "unfiltered": said_of(recipe, run, made),
        "control": said_of(recipe, run, control),
        "diversity": spread_of(made, held_out, generator.shape.forms),
    }


def _walked(
    recipe: Recipe, run: Path, way: str, generator: PairGenerator, held_out: Batch, rng: torch.Generator
) -> dict[str, object]:
    """Walked beside held-out partners, before filtering; and what it was where the walks began."""
    made = walk_of(recipe, run, way, generator, rng)(Real(held_out, {}))
    return {
        "unfiltered": said_of(recipe, run, replace(held_out, inputs=made.x)),
        "unwalked": said_of(recipe, run, replace(held_out, inputs=made.starts)),
        "hardness": hardness_of(made, attacked(run), recipe.synthesis.walk.band),
        "diversity": spread_of(replace(held_out, inputs=made.x), held_out, generator.shape.forms),
    }


@torch.no_grad()
def said_of(recipe: Recipe, run: Path, batch: Batch) -> Figures:
    """What the examiners say of events: `agree`, they name one class; `right`, the label; and each the label.

    An empty batch gives no figures.
    """
    if not len(batch):
        return {}
    named = {
        name: _examiner(run, name)({name: modality(name).stored(batch.inputs[name])}).argmax(1)
        for name in recipe.events.modalities
    }
    first, *_ = named.values()
    agree = torch.stack([said == first for said in named.values()]).all(0)
    figures = {f"right_{name}": _share(said == batch.labels) for name, said in named.items()}
    return {"agree": _share(agree), "right": _share(agree & (first == batch.labels)), **figures, "events": len(batch)}


def _examiner(run: Path, name: str) -> Fusion:
    return load_fusion(run / file_of(examiner_stage(name)))


def spread_of(made: Batch, real: Batch, names: Iterable[str]) -> Figures:
    """Modality -> diversity of what was made as a share of that of real events; 0 where either has none."""
    if not len(made):
        return dict.fromkeys(names, 0.0)
    known = {name: diversity(real, name) for name in names}
    return {name: diversity(made, name) / far if far else 0.0 for name, far in known.items()}


def diversity(batch: Batch, name: str) -> float:
    """Mean distance between samples of one class, of at most `AT_MOST` of each, averaged over the classes."""
    x = batch.inputs[name].flatten(1)
    found = [x[batch.labels == label][:AT_MOST] for label in sorted(set(batch.labels.tolist()))]
    means = [torch.pdist(some).mean() for some in found if len(some) > 1]
    return float(torch.stack(means).mean()) if means else 0.0


def kept_of(run: Path, way: str) -> Batch:
    """What was kept of a way, read from the shards."""
    return _as_batch([sample for sample in read_samples(Store(str(run / SET))) if sample.search == way])


def _as_batch(samples: list[Sample]) -> Batch:
    names = sorted(samples[0].inputs) if samples else []
    inputs = {name: modality(name).floats(torch.stack([s.inputs[name] for s in samples])) for name in names}
    return Batch(tuple(s.key for s in samples), inputs, torch.tensor([s.label for s in samples], dtype=torch.int64))


def trained_on_made(recipe: Recipe, run: Path, name: str, kept: Batch, held_out: Batch) -> Mapping[str, float]:
    """Accuracy on real held-out events of a classifier trained on what was made, and of one on real members."""
    known = members(recipe, run, name, "train")
    seeds = 5000 * (recipe.seed + 1)
    real = right_of(fit_alone(recipe, run, name, known, seeds), name, held_out)
    made = right_of(fit_alone(recipe, run, name, kept, seeds), name, held_out) if len(kept) else 0.0
    return {"on_made": made, "on_real": real}


def _share(flags: Tensor) -> float:
    return flags.float().mean().item()
