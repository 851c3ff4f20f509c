"""What a worker process trains for a synthesis: encoders, examiners, the generator of a way."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from math import sqrt
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from data.errors import Damaged, WrongUse
from data.forms import named_forms
from data.records import Batch
from data.sources import Part
from generators import paired_gan
from generators.paired_gan import Events
from generators.paired_networks import PairGenerator, PairShape
from pipelines.recipes import Recipe
from pipelines.training.events.fitting import begin, of_real, plain, train
from pipelines.training.events.participants import alone, events, pairs_of, shape_of
from pipelines.training.models import checkpoints
from pipelines.training.models.fusion import Fusion, load_fusion, save_fusion
from pipelines.training.progress import report
from pipelines.training.synthesis.options import given_by_way, made_by_way
from pipelines.training.synthesis.places import encoder_stage, file_of, gan_stage

CHECKPOINT_EVERY = 100
"""Steps of a GAN's training."""


def fit_encoder(recipe: Recipe, run: Path, name: str) -> dict[str, object]:
    """Train a classifier of one modality on all its training members, for its encodings; measured on validation."""
    model = fit_alone(recipe, run, name, members(recipe, run, name, "train"), 3000 * (recipe.seed + 1))
    save_fusion(run / file_of(encoder_stage(name)), model)
    return {"right_on_validation": right_of(model, name, members(recipe, run, name, "validation"))}


def fit_examiner(recipe: Recipe, run: Path, name: str, out: str) -> dict[str, object]:
    """Train a classifier of one modality on its validation members; measured on training members, new to it."""
    model = fit_alone(recipe, run, name, members(recipe, run, name, "validation"), 4000 * (recipe.seed + 1))
    save_fusion(run / out, model)
    return {"right_on_unseen": right_of(model, name, members(recipe, run, name, "train"))}


def members(recipe: Recipe, run: Path, name: str, part: Part) -> Batch:
    """The members of one modality in a part, each once."""
    return pairs_of(run).sides[name].batch(part, recipe.source)


def fit_alone(recipe: Recipe, run: Path, name: str, batch: Batch, seed: int) -> Fusion:
    """A classifier of one modality, trained plainly for `events.warm` steps on a batch that holds it."""
    state = begin(alone(shape_of(recipe, run), name), seed)
    mine = Batch(batch.keys, {name: batch.inputs[name]}, batch.labels)
    draw = plain(of_real(mine), recipe.rounds.fit, recipe.events.shift, seed)
    train(state, draw, recipe, recipe.events.warm, f"classifier of {name}")
    return state.averaged


@torch.no_grad()
def right_of(model: Fusion, name: str, batch: Batch) -> float:
    """Share of samples whose label the classifier of that modality names."""
    right: Tensor = model({name: batch.inputs[name]}).argmax(1) == batch.labels
    return float(right.float().mean())


def fit_gan(recipe: Recipe, run: Path, way: str) -> dict[str, object]:
    """Train the generator of a way, from its last checkpoint if there is one made from the same recipe and events."""
    options, stage = recipe.synthesis.gan, gan_stage(way)
    known, shape = _events_of(recipe, run, way)
    origin = {"options": asdict(options), "events": _digest(known), "seed": recipe.seed}
    training = paired_gan.begin(shape, known, options, recipe.seed)
    checkpoint = run / f"{stage}-checkpoint.safetensors"
    checkpoints.take_up(checkpoint, origin, partial(paired_gan.restore, training))
    while training.step < options.steps:
        losses = paired_gan.advance(training, known, options)
        if training.step % CHECKPOINT_EVERY == 0:
            checkpoints.save(checkpoint, paired_gan.state_of(training), origin)
        report(f"generator {way}", training.step, options.steps, f"D {losses['discriminator']:.3f}")
    checkpoints.save(run / file_of(stage), paired_gan.networks_of(training), asdict(shape))
    checkpoint.unlink(missing_ok=True)
    return {}


def _events_of(recipe: Recipe, run: Path, way: str) -> tuple[Events, PairShape]:
    """What the generator of a way learns from, and its shape."""
    batch, pairs, gan = events(run, "train", recipe.source), pairs_of(run), recipe.synthesis.gan
    names = made_by_way(way, recipe.events.modalities)
    conditions = conditions_of(recipe, run, way, batch)
    forms = {name: pairs.forms()[name] for name in names}
    shape = PairShape(forms, conditions.shape[1], gan.latent, gan.features, gan.discriminator_features)
    return Events({name: batch.inputs[name] for name in names}, conditions, batch.labels), shape


def conditions_of(recipe: Recipe, run: Path, way: str, batch: Batch) -> Tensor:
    """What tells the generator of a way which event to make, float (N, C): its class, or its other part encoded."""
    given = given_by_way(way, recipe.events.modalities)
    if not given:
        return F.one_hot(batch.labels, len(pairs_of(run).summary.class_names)).float()
    return encoded(load_fusion(run / file_of(encoder_stage(given))), given, batch.inputs[given])


@torch.no_grad()
def encoded(model: Fusion, name: str, x: Tensor) -> Tensor:
    """What an encoder makes of x (N, ...), float (N, C), each row of length sqrt(C)."""
    found: Tensor = F.normalize(model.encoders[name](x))
    return found * sqrt(found.shape[1])


def _digest(known: Events) -> str:
    digest = hashlib.sha256()
    for part in (*(known.x[name] for name in sorted(known.x)), known.conditions, known.labels):
        digest.update(part.contiguous().numpy().data)
    return digest.hexdigest()


def load_pair_generator(path: Path) -> PairGenerator:
    """A finished generator of events, frozen.

    Raises:
        Damaged: the file does not hold one.
    """
    tensors, facts = checkpoints.load(path)
    try:
        forms = named_forms(cast(Mapping[str, Mapping[str, object]], facts["forms"]))
        generator = PairGenerator(PairShape(**{**facts, "forms": forms}))  # type: ignore[arg-type]
        generator.load_state_dict(tensors)
    except (TypeError, KeyError, AttributeError, RuntimeError, WrongUse) as error:
        raise Damaged(f"{path} holds no generator of events ({error}): delete it and run again") from error
    return generator.eval().requires_grad_(False)
