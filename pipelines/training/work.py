"""What worker processes do for a stage: read its inputs from the run's folder, write its outputs there."""

import hashlib
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch

from data.errors import WrongUse
from data.intake import take_in
from data.loader import MixedBatches, Pool, read_pool
from data.pairing import take_in_pairs
from data.sources import beside, side_of, source_of, without_labels
from generators import gan
from generators.fidelity import precision_recall
from generators.networks import GanShape
from generators.options import GanOptions
from pipelines.recipes import Recipe
from pipelines.training.devices import Team, on_devices
from pipelines.training.fitting.calibration import calibrate
from pipelines.training.fitting.fit import Beside, fit
from pipelines.training.fitting.judges import fit_examiner, fit_judge
from pipelines.training.fitting.underway import Checkpoint
from pipelines.training.materialise import balanced_labels, draft_rng
from pipelines.training.mixes import MixOptions
from pipelines.training.models import brought, checkpoints
from pipelines.training.models.classifier import ClassifierShape, load_classifier, save_classifier
from pipelines.training.models.locating import description_of
from pipelines.training.participants import load_gan, model_of, real_pool, samples, shape_of, taken
from pipelines.training.places import EXAMINER, GENERATOR, MODEL, SOURCE, UNLABELLED, judge_file
from pipelines.training.progress import report

CHECKPOINT = "generator-checkpoint.safetensors"
CHECKPOINT_EVERY = 200
"""Steps of the GAN's training."""


def read_source(recipe: Recipe, run: Path) -> dict[str, object]:
    """Take the run's source in; of pairs, each side into a folder of its modality's name.

    Raises:
        WrongUse: it holds something else than images, alone, and these stages train on nothing else.
    """
    source, told = source_of(recipe.source), dict[str, object]()
    if source.sides:
        summary = take_in_pairs(source, recipe.source, run / SOURCE, lambda done: report("source", done, done + 1))
        within = [file for file in sorted((run / SOURCE).rglob("*")) if file.is_file()]
        told["files"] = [str(file.relative_to(run)) for file in within]
    elif source.modality == "image":
        # How many there are is known at the end.
        summary = take_in(source, recipe.source, run / SOURCE, lambda done: report("source", done, done + 1))
    else:
        raise WrongUse(
            f"source {recipe.source.name} holds {source.modality}, and runs train on images or on pairs: "
            "docs/modalities.md"
        )
    report("source", summary.read, summary.read)
    return {**asdict(summary), **told}


def take_unlabelled(recipe: Recipe, run: Path) -> dict[str, object]:
    """Take in the samples of `source.unlabelled`, without their labels.

    Raises:
        WrongUse: they cannot be read, are no images, or of another shape than the source's.
    """
    options = side_of(recipe.source, recipe.source.unlabelled)
    source = beside(recipe.source)
    if source.modality != "image":
        raise WrongUse(f"source.unlabelled holds {source.modality or 'pairs'}, and the source images")
    found = take_in(without_labels(source), options, run / UNLABELLED, lambda done: report(UNLABELLED, done, done + 1))
    report(UNLABELLED, found.read, found.read)
    if list(found.shape) != list(ours := taken(run).summary.shape):
        raise WrongUse(
            f"images of source.unlabelled are {tuple(found.shape)}, the source's {tuple(ours)}: set source.size or "
            "source.channels, so that they agree"
        )
    return asdict(found)


def fit_arm(
    recipe: Recipe, run: Path, pool: str, seed: int, out: str, mixing: MixOptions | None = None
) -> dict[str, object]:
    """Train a classifier on the real samples and, unless `pool` is empty, on the shard set at that URL.

    Args:
        mixing: what is taken of the set; None takes it whole, with its soft labels.
    """
    options = recipe.training
    return on_devices(options.devices, options.device, _fit_arm, recipe, run, pool, seed, out, mixing)


def _fit_arm(
    team: Team, recipe: Recipe, run: Path, pool: str, seed: int, out: str, mixing: MixOptions | None
) -> dict[str, object]:
    real, shape = real_pool(run, "train", recipe.source)
    options = recipe.training
    chosen = mixing or MixOptions()
    no_pool = Pool(real.images[:1], real.soft_labels[:1])
    synthetic = read_pool(pool, band=chosen.band, labels=chosen.labels) if pool else no_pool
    share = options.synthetic_share if pool else 0.0
    batches = MixedBatches(real, synthetic, share, options.batch_size, seed)
    held_out = samples(run, "validation", recipe.source) if options.watch.every else None
    origin = {"options": asdict(options), "samples": [_digest(real), _digest(synthetic)], "seed": seed}
    checkpoint = Checkpoint(team.own((run / out).with_suffix(".checkpoint")), origin)
    fitted = fit(batches.batch, shape, options, seed, Path(out).stem, Beside(held_out, checkpoint, team))
    if team.rank == 0:
        save_classifier(run / out, fitted.model)
    checkpoint.path.unlink(missing_ok=True)
    return {"synthetic": len(synthetic) if pool else 0, **fitted.facts}


def _digest(pool: Pool) -> str:
    digest = hashlib.sha256()
    for part in (pool.images, pool.soft_labels):
        digest.update(part.contiguous().numpy().data)
    return digest.hexdigest()


def fit_model(recipe: Recipe, run: Path) -> dict[str, object]:
    """Train the model to harden, on the real samples alone."""
    brought.forget(run)
    return fit_arm(recipe, run, "", recipe.seed, MODEL)


def bring_model(recipe: Recipe, run: Path) -> dict[str, object]:
    """Take a copy of the user's model instead, and hear what it makes of samples that make no shard."""
    model = brought.bring(recipe.model, run, taken(run).summary)
    (run / MODEL).unlink(missing_ok=True)
    opinion = brought.opinion_of(model, samples(run, "validation", recipe.source))
    return {"named_classes": bool(description_of(recipe.model).class_names), "validation": opinion}


def judge_brought(recipe: Recipe, run: Path) -> dict[str, object]:
    """What the brought model makes of the samples that the arms are measured on."""
    batch = samples(run, recipe.evaluation.part, recipe.source)
    first = batch.rows(torch.arange(min(recipe.evaluation.samples, len(batch))))
    return dict(brought.opinion_of(model_of(run), first))


def fit_one_judge(recipe: Recipe, run: Path, fold: int) -> dict[str, object]:
    """Train the judge that leaves out one fold, and make its probabilities honest on the validation samples."""
    real, shape = real_pool(run, "train", recipe.source)
    judge = fit_judge(real, fold, shape, recipe.judges, seed=1000 * (recipe.seed + 1) + fold)
    held_out = samples(run, "validation", recipe.source)
    facts: dict[str, object] = {"architecture": judge.shape.architecture}
    if recipe.judges.calibrate:
        facts |= asdict(calibrate(judge, held_out.inputs["image"], held_out.labels))
    save_classifier(run / judge_file(fold), judge)
    return facts


def fit_the_examiner(recipe: Recipe, run: Path) -> dict[str, object]:
    """Train the examiner on the validation samples, and measure it on the training samples, which it has not seen."""
    held_out, shape = real_pool(run, "validation", recipe.source)
    examiner = fit_examiner(held_out, shape, recipe.judges, seed=2000 * (recipe.seed + 1))
    save_classifier(run / EXAMINER, examiner)
    unseen = samples(run, "train", recipe.source)
    right = examiner(unseen.inputs["image"]).argmax(1) == unseen.labels
    return {"agreement_on_real": right.float().mean().item()}


def fit_gan(recipe: Recipe, run: Path) -> dict[str, object]:
    """Train the GAN, from its last checkpoint if there is one made from the same recipe."""
    return on_devices(recipe.generator.devices, "cpu", _fit_gan, recipe, run)


def _fit_gan(team: Team, recipe: Recipe, run: Path) -> dict[str, object]:
    batch, options = samples(run, "train", recipe.source), recipe.generator
    gan_shape = _gan_shape(shape_of(run), options)
    origin = {"options": asdict(options), "source": taken(run).summary.digest, "seed": recipe.seed}
    training, checkpoint = _begin_gan(team, gan_shape, options, recipe.seed), team.own(run / CHECKPOINT)
    checkpoints.take_up(checkpoint, origin, partial(gan.restore, training))
    if not team.agrees(training.step):
        training = _begin_gan(team, gan_shape, options, recipe.seed)
    options = replace(options, batch_size=options.batch_size // team.world, devices=1)
    while training.step < options.steps:
        losses = gan.advance(training, batch.inputs["image"], batch.labels, options)
        if training.step % CHECKPOINT_EVERY == 0:
            checkpoints.save(checkpoint, gan.state_of(training), origin)
        report("generator", training.step, options.steps, f"D {losses['discriminator']:.3f}")
    if team.rank == 0:
        checkpoints.save(run / GENERATOR, gan.networks_of(training), asdict(gan_shape))
    checkpoint.unlink(missing_ok=True)
    return {}


def _begin_gan(team: Team, shape: GanShape, options: GanOptions, seed: int) -> gan.GanTraining:
    training = gan.begin(shape, options, seed)
    training.average = team.average
    team.seed(training.rng, seed)
    return training


def _gan_shape(shape: ClassifierShape, options: GanOptions) -> GanShape:
    return GanShape(
        channels=shape.channels,
        height=shape.height,
        width=shape.width,
        classes=shape.classes,
        latent=options.latent,
        features=options.features,
        discriminator_features=options.discriminator_features,
    )


@torch.no_grad()
def measure_fidelity(recipe: Recipe, run: Path) -> dict[str, object]:
    """What an outsider sees of the generator: label agreement, precision and recall, each beside that of real samples.

    Precision and recall are taken in pixel space between as many samples as there are for training and as many
    validation samples; the training samples take the generated ones' place for the figure to compare with.
    """
    generator, _ = load_gan(run / GENERATOR)
    real, held_out = samples(run, "train", recipe.source), samples(run, "validation", recipe.source)
    rng = draft_rng(recipe.seed, "fidelity", 0)
    y = balanced_labels(real, 2000, rng)
    generated = generator(torch.randn(len(y), generator.shape.latent, generator=rng), y)
    seen = load_classifier(run / EXAMINER)(generated).argmax(1)
    size = min(len(real), len(held_out))
    reference = held_out.inputs["image"][:size].flatten(1)
    precision, recall = precision_recall(reference, generated[:size].flatten(1))
    best = precision_recall(reference, real.inputs["image"][:size].flatten(1))
    return {
        "agreement": (seen == y).float().mean().item(),
        "precision": precision,
        "recall": recall,
        "precision_of_real": best[0],
        "recall_of_real": best[1],
    }
