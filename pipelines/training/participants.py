"""Loads who takes part in making a shard, from a run's folder: the model, the generator, the judges, the samples."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

from torch import Tensor

import data.sources
from data.errors import Damaged
from data.loader import Pool
from data.plugins import plugin
from data.records import Batch
from data.sources import Part, SourceOptions
from generators.checks import Witnesses
from generators.networks import Discriminator, GanShape, Generator
from generators.search import Scene
from pipelines.training import checkpoints
from pipelines.training.classifier import ClassifierShape, load_classifier

MODEL = "model.safetensors"
GENERATOR = "generator.safetensors"
EXAMINER = "examiner.safetensors"


def judge_file(fold: int) -> str:
    """Name of a judge's checkpoint within the run."""
    return f"judge-{fold}.safetensors"


def samples(part: Part, options: SourceOptions) -> Batch:
    """One part of the run's source.

    Raises:
        WrongUse: there is no source of that name.
    """
    source = cast(Callable[[Part, SourceOptions], Batch], plugin(data.sources, options.name))
    return source(part, options)


def shape_of(batch: Batch) -> ClassifierShape:
    """The classifier's shape for samples like these."""
    channels, height, width = batch.inputs["image"].shape[1:]
    return ClassifierShape(channels, height, width, int(batch.labels.max()) + 1)


def real_pool(part: Part, options: SourceOptions) -> tuple[Pool, ClassifierShape]:
    """One part of the source as a pool to train on, and the shape that fits it."""
    batch = samples(part, options)
    shape = shape_of(batch)
    return Pool.of_real(batch, shape.classes), shape


def load_gan(path: Path) -> tuple[Generator, Discriminator]:
    """Both networks of a finished GAN, in eval mode, frozen; the generator with averaged weights.

    Raises:
        Damaged: the file does not hold them.
    """
    tensors, facts = checkpoints.load(path)
    try:
        shape = GanShape(**cast(dict[str, int], facts))
        generator, discriminator = Generator(shape), Discriminator(shape)
        generator.load_state_dict(_under(tensors, "generator."))
        discriminator.load_state_dict(_under(tensors, "discriminator."))
    except (TypeError, RuntimeError) as error:
        raise Damaged(f"{path} holds no generator of this version ({error}): delete it and run again") from error
    return generator.eval().requires_grad_(False), discriminator.eval().requires_grad_(False)


def _under(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key.removeprefix(name): value for key, value in tensors.items() if key.startswith(name)}


def scene_of(run: Path, source: SourceOptions) -> Scene:
    """What a search may draw on: the run's model and generator, and the training samples."""
    generator, _ = load_gan(run / GENERATOR)
    return Scene(load_classifier(run / MODEL), generator, generator.shape.latent, samples("train", source))


def witnesses_of(run: Path, source: SourceOptions, folds: int) -> Witnesses:
    """Those who are asked about a candidate: the run's judges and discriminator, and the real samples."""
    judges = [load_classifier(run / judge_file(fold)) for fold in range(folds)]
    _, discriminator = load_gan(run / GENERATOR)
    return Witnesses(judges, discriminator, samples("train", source), samples("validation", source))
