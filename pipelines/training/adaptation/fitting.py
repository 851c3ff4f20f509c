"""What a worker process does for adaptation's trainings: one classifier, or the translation both ways."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from data.errors import Damaged
from data.loader import MixedBatches, Pool, read_pool
from generators import cyclegan
from generators.checks import joint_opinion
from generators.cyclegan import Domains
from generators.distortions import distort
from generators.ensembles import joint
from generators.options import DistortionOptions
from generators.pseudo_labels import evened, sharpened, spread
from generators.translation import Translation, translation_of
from generators.translators import CycleShape
from pipelines.recipes import Recipe
from pipelines.training.adaptation.domains import measured_samples, target_samples
from pipelines.training.adaptation.options import AdaptOptions
from pipelines.training.fitting.fit import Batches, fit
from pipelines.training.models import checkpoints
from pipelines.training.models.classifier import Classifier, load_classifier, save_classifier
from pipelines.training.participants import real_pool, samples, shape_of
from pipelines.training.progress import report

TRANSLATION = "translation.safetensors"
CHECKPOINT = "translation-checkpoint.safetensors"
CHECKPOINT_EVERY = 200
"""Steps of the translation's training."""


def fit_member(recipe: Recipe, run: Path, out: str, seed: int, pool: str, *, distorted: bool) -> dict[str, object]:
    """Train a classifier on labelled samples of the source and, unless `pool` is empty, the shard set at that URL."""
    return _fit(recipe, run, out, seed, read_pool(pool) if pool else None, distorted=distorted)


def fit_labelled(recipe: Recipe, run: Path, out: str, seed: int) -> dict[str, object]:
    """Train a classifier likewise, but on the target's training samples with their labels: the upper bound."""
    labelled = Pool.of_real(measured_samples(recipe, run, "train"), shape_of(run).classes)
    return _fit(recipe, run, out, seed, labelled, distorted=True)


def _fit(
    recipe: Recipe, run: Path, out: str, seed: int, synthetic: Pool | None, *, distorted: bool
) -> dict[str, object]:
    options = recipe.adapt
    real, shape = real_pool(run, "train", recipe.source)
    share = options.fit.synthetic_share if synthetic else 0.0
    other = synthetic or Pool(real.images[:1], real.soft_labels[:1])
    batches: Batches = MixedBatches(real, other, share, options.fit.batch_size, seed).batch
    if distorted:
        batches = _distorted(batches, seed, options.distortion)
    sized = replace(shape, architecture=options.architecture)
    save_classifier(run / out, fit(batches, sized, options.fit, seed, Path(out).stem).model)
    return {"synthetic": len(synthetic) if synthetic else 0}


def _distorted(batches: Batches, seed: int, options: DistortionOptions) -> Batches:
    def batch(step: int) -> tuple[Tensor, Tensor]:
        x, y = batches(step)
        return distort(x, torch.Generator().manual_seed(seed * 1_000_003 + step), options), y

    return batch


def members_of(run: Path, files: Sequence[str]) -> list[Classifier]:
    """Classifiers of a round, by their files within the run."""
    return [load_classifier(run / file) for file in files]


@torch.no_grad()
def opinions(members: Sequence[Classifier], x: Tensor, options: AdaptOptions, *, passed_on: bool = False) -> Tensor:
    """What the members together take images, float (N, C, H, W), to show: float (N, K), rows summing to 1.

    Args:
        passed_on: evened out over the classes, passed on among samples that are like each other, sharpened, and evened
            out again.
    """
    told = joint_opinion(torch.stack([member(x).softmax(1) for member in members]))
    if not passed_on:
        return told
    first = evened(told, options.evened)  # without it the classes named too often flood their neighbourhoods
    heard = [spread(view, first, options.neighbours, options.spread) for view in _views(members, x, options)]
    return evened(sharpened(torch.stack(heard).mean(0), options.sharpened), options.evened)


def _views(members: Sequence[Classifier], x: Tensor, options: AdaptOptions) -> list[Tensor]:
    """What images, float (N, C, H, W), are compared by: pixels, the members' features side by side, or either."""
    seen = torch.cat([F.normalize(member.trunk(x)) for member in members], 1)
    return {"pixels": [x], "features": [seen], "both": [x, seen]}[options.alike]


def fit_translation(recipe: Recipe, run: Path, guides: Sequence[str]) -> dict[str, object]:
    """Train both directions, from the last checkpoint if there is one made from the same recipe and guides.

    Args:
        guides: files of the classifiers whose opinion of the target's samples stands for their labels.
    """
    options, image = recipe.adapt.cycle, shape_of(run)
    domains = _domains(recipe, run, guides)
    shape = cyclegan.shape_of(options, (image.channels, image.height, image.width), image.classes)
    origin = {"options": asdict(options), "samples": _digest(domains), "seed": recipe.seed}
    training = cyclegan.begin(shape, options, recipe.seed)
    checkpoints.take_up(run / CHECKPOINT, origin, partial(cyclegan.restore, training))
    while training.step < options.steps:
        losses = cyclegan.advance(training, domains, options)
        if training.step % CHECKPOINT_EVERY == 0:
            checkpoints.save(run / CHECKPOINT, cyclegan.state_of(training), origin)
        report("translation", training.step, options.steps, f"D {losses['discriminator']:.3f}")
    checkpoints.save(run / TRANSLATION, cyclegan.networks_of(training), asdict(shape))
    (run / CHECKPOINT).unlink(missing_ok=True)
    return {}


def _domains(recipe: Recipe, run: Path, guides: Sequence[str]) -> Domains:
    members, device = members_of(run, guides), recipe.adapt.cycle.device
    a, b = samples(run, "train", recipe.source), target_samples(recipe, run, "train").inputs["image"]
    shows_a = F.one_hot(a.labels, shape_of(run).classes).float()
    shows_b = opinions(members, b, recipe.adapt, passed_on=True)
    guide = joint([member.to(device) for member in members])
    return Domains(a.inputs["image"].to(device), b.to(device), shows_a.to(device), shows_b.to(device), guide)


def _digest(domains: Domains) -> str:
    digest = hashlib.sha256()
    for part in (domains.a, domains.b, domains.shows_a, domains.shows_b):
        digest.update(part.cpu().contiguous().numpy().data)
    return digest.hexdigest()


def load_translation(run: Path) -> Translation:
    """The run's finished translation, frozen, from the source's domain to the target's.

    Raises:
        Damaged: its file does not hold one.
    """
    tensors, facts = checkpoints.load(run / TRANSLATION)
    try:
        return translation_of(CycleShape(**facts), tensors)  # type: ignore[arg-type]
    except (TypeError, RuntimeError) as error:
        raise Damaged(f"{run / TRANSLATION} holds no translation of this version ({error}): run again") from error
