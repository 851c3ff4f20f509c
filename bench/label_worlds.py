"""The worlds that bench/labels.py measures in: a run of its own for each split, and the truth from outside it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

import generators.search
from data.loader import Pool
from data.plugins import plugin
from data.records import Batch
from generators.planting import plant
from generators.search import Scene
from pipelines.recipes import Recipe, preset
from pipelines.training import planted, work
from pipelines.training.fitting.calibration import calibrate
from pipelines.training.fitting.fit import fit
from pipelines.training.fitting.judges import blended
from pipelines.training.materialise import AT_ONCE, balanced_labels, draft_rng
from pipelines.training.models.classifier import Classifier, load_classifier, save_classifier
from pipelines.training.participants import samples, scene_of, shape_of
from pipelines.training.places import GENERATOR, MODEL, SOURCE

SEARCHES = ("latent_walk", "perturb", "pixel_interpolate")
BAND = 1.0
"""What counts as at the boundary: |margin| up to this, in logits."""


@dataclass(frozen=True)
class World:
    """A split: its run, what is searched there, and the truth."""

    run: Path
    recipe: Recipe
    tuning: tuple[Tensor, Tensor, Tensor]
    """Planted on validation parents: images, labels, and which labels are right; the others are those across."""
    planted: tuple[Tensor, Tensor, Tensor]
    """The same on test parents."""
    anyhow: tuple[Tensor, Tensor, Tensor]
    """The right ones of these, and again under any other label."""
    changed: tuple[Tensor, Tensor]
    """Test samples of which 70 to 95 % have become another class, under the label they had."""
    found: Mapping[str, tuple[Tensor, Tensor, Tensor]]
    """Search -> images, labels and margins of the run's own candidates, at the recipe's band and far beyond it."""
    oracle: Callable[[Tensor], Tensor]


def prepared(run: Path, split: int, candidates: int) -> World:
    """The world of one split; what is trained already is read from its folder."""
    recipe = preset("digits")
    recipe = replace(recipe, seed=split, source=replace(recipe.source, split_seed=split))
    run.mkdir(parents=True, exist_ok=True)
    for name, make in ((SOURCE, work.read_source), (MODEL, work.fit_model), (GENERATOR, work.fit_gan)):
        if not (run / name).exists():
            make(recipe, run)
    scene, test, rng = scene_of(run, recipe.source), samples(run, "test", recipe.source), draft_rng(split, "bench", 0)
    tuning = planted_on(samples(run, "validation", recipe.source), scene, recipe, rng)
    x, y, right = planted_on(test, scene, recipe, rng)
    other = (y + torch.randint(1, 10, y.shape, generator=rng)) % 10
    sure = right[right]
    anyhow = (x[right].repeat(2, 1, 1, 1), torch.cat([y[right], other[right]]), torch.cat([sure, ~sure]))
    found = {name: candidates_of(name, scene, recipe, candidates, rng) for name in SEARCHES}
    return World(run, recipe, tuning, (x, y, right), anyhow, changed(test, rng), found, oracle(run, recipe))


def planted_on(real: Batch, scene: Scene, recipe: Recipe, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Planted candidates within the band on these parents: images, labels, right."""
    ball = recipe.training.ball
    options, theirs = replace(recipe.search, epsilon=ball.epsilon, norm=ball.norm), replace(scene, real=real)
    parts = []
    for name in planted.SEARCHES:
        for y in torch.split(balanced_labels(real, planted.ATTEMPTS, rng), AT_ONCE):
            made = plugin(generators.search, name)(theirs, y, options, rng)
            one = plant(made, real, scene.model)
            inside = one.candidates.margins.abs() <= BAND
            batch = one.candidates.batch
            parts.append((batch.inputs["image"][inside], batch.labels[inside], one.right[inside]))
    return tuple(torch.cat(part) for part in zip(*parts, strict=True))


def changed(real: Batch, rng: torch.Generator, n: int = 1000) -> tuple[Tensor, Tensor]:
    """Mixtures of two samples of different classes under the label of the one that has the smaller part."""
    y = balanced_labels(real, n, rng)
    rows, others = generators.search.pick_parents(real, y, rng), generators.search.pick_strangers(real, y, rng)
    share = 0.7 + 0.25 * torch.rand(n, 1, 1, 1, generator=rng)
    return torch.lerp(real.inputs["image"][rows], real.inputs["image"][others], share), y


def candidates_of(
    name: str, scene: Scene, recipe: Recipe, n: int, rng: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Half at the recipe's band, half aimed at margins up to 15 logits."""
    parts = []
    for band in (recipe.search.band, 15.0):
        for y in torch.split(balanced_labels(scene.real, n // 2, rng), AT_ONCE):
            made = plugin(generators.search, name)(scene, y, replace(recipe.search, band=band), rng)
            parts.append((made.batch.inputs["image"], y, made.margins))
    return tuple(torch.cat(part) for part in zip(*parts, strict=True))


def oracle(run: Path, recipe: Recipe) -> Callable[[Tensor], Tensor]:
    """Images -> the probabilities of a robust classifier trained on what the pipeline never reads."""
    path = run / "oracle.safetensors"
    if not path.exists():
        unread, options = _unread(run, recipe), replace(recipe.judges.fit, features=16, steps=900)
        seed = 3000 * (recipe.seed + 1)
        found = fit(blended(unread, options.batch_size, seed), shape_of(run), options, seed, "oracle")
        save_classifier(path, found.model)
    model = calibrated(load_classifier(path), samples(run, "validation", recipe.source))
    return lambda x: model(x).softmax(1)


def _unread(run: Path, recipe: Recipe) -> Pool:
    everything, labelled = (
        samples(run, "train", replace(recipe.source, labelled=0)),
        samples(run, "train", recipe.source),
    )
    known = set(labelled.keys)
    rest = everything.rows(torch.tensor([place for place, key in enumerate(everything.keys) if key not in known]))
    pools = [Pool.of_real(batch, 10) for batch in (rest, samples(run, "test", recipe.source))]
    return Pool(torch.cat([pool.images for pool in pools]), torch.cat([pool.soft_labels for pool in pools]))


def calibrated(model: Classifier, held_out: Batch) -> Classifier:
    """The same, its temperature fitted."""
    calibrate(model, held_out.inputs["image"], held_out.labels)
    return model
