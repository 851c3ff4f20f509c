"""Loads who takes part in making a shard, from a run's folder: the model, the generator, the judges, the samples."""

from dataclasses import replace
from pathlib import Path
from typing import cast

from torch import Tensor

from data.errors import Damaged, WrongUse
from data.loader import Pool
from data.records import Batch, Unlabelled
from data.sources import Part, SourceOptions
from data.taken import Taken, must_suffice, open_taken
from generators.checks import Witnesses
from generators.ensembles import joint
from generators.margins import Model
from generators.networks import Discriminator, GanShape, Generator
from generators.options import SearchOptions
from generators.search import Scene
from pipelines.training.models import checkpoints
from pipelines.training.models.brought import open_brought
from pipelines.training.models.classifier import ClassifierShape, load_classifier
from pipelines.training.models.locating import ModelOptions, is_brought
from pipelines.training.models.opening import open_model
from pipelines.training.places import GENERATOR, MODEL, SOURCE, UNLABELLED, ensemble_files, judge_file


def taken(run: Path) -> Taken:
    """The samples that the run took in from its source."""
    return open_taken(run / SOURCE)


def samples(run: Path, part: Part, options: SourceOptions) -> Batch:
    """One part of the run's samples; of the training part the labelled ones."""
    return taken(run).batch(part, options)


def unlabelled_of(run: Path, options: SourceOptions) -> Unlabelled:
    """The run's samples whose labels nobody told: those of `source.unlabelled`, or what is beyond `source.labelled`.

    Raises:
        WrongUse: there is none.
    """
    if options.unlabelled.name:
        return open_taken(run / UNLABELLED).apart_from(taken(run))
    return taken(run).unlabelled(options)


def shape_of(run: Path) -> ClassifierShape:
    """The classifier's shape for the run's samples.

    Raises:
        WrongUse: they have an odd number of rows or columns, which the networks cannot halve.
    """
    summary = taken(run).summary
    channels, height, width = summary.shape
    if height % 2 or width % 2:
        even = max(height, width) + max(height, width) % 2
        raise WrongUse(f"images are {height} x {width}; the networks take even sizes: --source.size {even}")
    return ClassifierShape(channels, height, width, len(summary.class_names))


def must_do(run: Path, options: SourceOptions, *, unlabelled: bool) -> None:
    """Check that the run's samples suffice and suit the networks, and where they are needed that there are unlabelled.

    Raises as `must_suffice`, `shape_of` and `unlabelled_of`, and where nobody needs the unlabelled ones that are given.
    """
    must_suffice(taken(run).summary, options.labelled)
    shape_of(run)
    if options.unlabelled.name and not unlabelled:
        raise WrongUse("source.unlabelled is drawn on by search.mix.unlabelled alone, whose share is 0 or not given")
    if unlabelled:
        unlabelled_of(run, options)


def real_pool(run: Path, part: Part, options: SourceOptions) -> tuple[Pool, ClassifierShape]:
    """One part of the samples as a pool to train on, and the shape that fits it."""
    shape = shape_of(run)
    return Pool.of_real(samples(run, part, options), shape.classes), shape


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


def model_of(run: Path) -> Model:
    """The model that the run attacks, brought or trained: images, float (N, C, H, W) in [0, 1] -> float (N, K).

    Raises:
        Damaged: it is not in the run's folder, or not as it was.
    """
    return open_brought(run, taken(run).summary) if is_brought(run) else load_classifier(run / MODEL)


def scene_of(
    run: Path, source: SourceOptions, attacked: str = "", *, search: SearchOptions | None = None, folds: int = 0
) -> Scene:
    """What a search may draw on: the attacked model, the generator, the training samples, and judges for mining.

    Args:
        run: the run's folder.
        source: which samples are labelled.
        attacked: the attacked model's file within the run; empty for the run's own model.
        search: whose `ensemble` is attacked together with that one, and whose `mix` may draw on unlabelled samples.
        folds: how many judges the run has.

    Raises:
        Damaged: a checkpoint is unreadable.
        WrongUse: a model of the ensemble does not suit the samples; or there are no unlabelled ones.
    """
    search = search or SearchOptions()
    generator, discriminator = load_gan(run / GENERATOR)
    model = load_classifier(run / attacked) if attacked else model_of(run)
    more = [_other_model(run, file) for file in ensemble_files(run, search.ensemble)]
    model = joint([model, *more]) if more else model
    judges = [load_classifier(run / judge_file(fold)) for fold in range(folds)]
    found = Scene(model, generator, generator.shape.latent, samples(run, "train", source), discriminator, judges)
    return replace(found, unlabelled=unlabelled_of(run, source)) if search.takes_unlabelled else found


def _other_model(run: Path, file: Path) -> Model:
    if file.suffix == ".pt2":
        summary = taken(run).summary
        return open_model(ModelOptions(path=str(file)), summary.shape, summary.class_names)
    return load_classifier(file)


def witnesses_of(run: Path, source: SourceOptions, folds: int) -> Witnesses:
    """Those who are asked about a candidate: the run's judges and discriminator, and the real samples."""
    judges = [load_classifier(run / judge_file(fold)) for fold in range(folds)]
    _, discriminator = load_gan(run / GENERATOR)
    return Witnesses(judges, discriminator, samples(run, "train", source), samples(run, "validation", source))
