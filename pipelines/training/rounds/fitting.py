"""What a worker process does for a round's training: weigh the archive, mix shards, train on from the last state."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F

from data.errors import Damaged
from data.loader import MixedBatches, Pool
from data.reading import Sample, read_samples
from data.store import Store
from generators.margins import Model
from pipelines.recipes import Recipe
from pipelines.training.fitting.fit import Batches, fit, train_until
from pipelines.training.fitting.underway import Checkpoint, Training, begin
from pipelines.training.models.classifier import load_classifier, save_classifier
from pipelines.training.participants import real_pool, shape_of
from pipelines.training.rounds.archive import Archive, weighed

ROUNDS = "rounds"
"""Folder of the rounds' sets within the run; a round's own has its number, from 1."""


def set_folder(number: int) -> str:
    """A round's shard set, within the run."""
    return f"{ROUNDS}/{number}"


def model_file(number: int) -> str:
    """The model after a round, within the run; number 0 is the one that round 1 attacks."""
    return f"round-model-{number}.safetensors"


def state_file(number: int) -> str:
    """All that the next round's training goes on from."""
    return f"round-state-{number}.safetensors"


def fit_first(recipe: Recipe, run: Path) -> dict[str, object]:
    """Train on the real samples alone, for as many steps as a round has."""
    real, _ = real_pool(run, "train", recipe.source)
    _train(recipe, run, 0, real, real, 0.0)
    return {}


def fit_round(recipe: Recipe, run: Path, number: int, older: Sequence[int]) -> dict[str, object]:
    """Train on a round's shard and on what is still hard of older ones.

    Args:
        older: rounds whose shards the archive holds by now, the newest last.

    Returns:
        Share of each shard, the newest and those the archive held, that fools the model of the round before; which of
        them the archive holds from now on, the newest last; which it dropped.
    """
    attacked, options = load_classifier(run / model_file(number - 1)), recipe.rounds
    shards = {other: read_samples(Store(str(run / set_folder(other)))) for other in (*older, number)}
    fooled = {other: fool_rate(attacked, samples) for other, samples in shards.items()}
    archive = weighed(fooled, number, options.archive, options.stale_below)
    newest = _pool(shards[number], options.soft)
    old = _pool([sample for other in archive.kept for sample in shards[other]], options.soft) if archive.kept else newest
    _train(recipe, run, number, newest, old, 1 - options.newest if archive.kept else 0.0)
    return _told(archive, number, fooled)


def _told(archive: Archive, number: int, fooled: Mapping[int, float]) -> dict[str, object]:
    rates = {str(other): rate for other, rate in fooled.items()}
    return {"attack_success": rates.pop(str(number)), "archive": list(archive.kept), "stale": list(archive.stale),
            "fooled": rates}


@torch.no_grad()
def fool_rate(model: Model, samples: Sequence[Sample]) -> float:
    """Share of samples to which the model gives another class than their label."""
    x = torch.stack([sample.image for sample in samples]).float() / 255
    y = torch.tensor([sample.label for sample in samples])
    return float((model(x).argmax(1) != y).float().mean())


def staleness(run: Path, last: int) -> dict[str, object]:
    """Share of each round's shard that fools the model of the last round."""
    newest = load_classifier(run / model_file(last))
    rates = [fool_rate(newest, read_samples(Store(str(run / set_folder(n))))) for n in range(1, last + 1)]
    return {"fooled": rates}


def fit_rival(recipe: Recipe, run: Path, out: str, *, attack_in_loop: bool) -> dict[str, object]:
    """Train on the real samples for as many steps as all rounds have, with the attack in the loop or with none."""
    options = recipe.rounds.in_loop if attack_in_loop else recipe.rounds.trainer
    real, shape = real_pool(run, "train", recipe.source)
    batches = MixedBatches(real, real, 0.0, options.batch_size, recipe.seed)
    save_classifier(run / out, fit(batches.batch, shape, options, recipe.seed, Path(out).stem).model)
    return {}


def _pool(samples: Sequence[Sample], soft: float) -> Pool:
    images, labels = torch.stack([s.image for s in samples]), torch.tensor([s.label for s in samples])
    judged = torch.stack([s.soft_label for s in samples])
    return Pool(images, torch.lerp(F.one_hot(labels, judged.shape[1]).float(), judged, soft))


def _train(recipe: Recipe, run: Path, number: int, newest: Pool, old: Pool, share: float) -> None:
    """Go on from the state of the round before, and leave this round's state and its averaged weights."""
    options, seed = recipe.rounds.trainer, recipe.seed
    shape = replace(shape_of(run), features=options.features)
    training = begin(shape, options.learning_rate, options.weight_decay, options.steps, seed, options.device)
    first = number * recipe.rounds.steps
    if number:
        _go_on(training, run / state_file(number - 1), first)
    draws = int.from_bytes(hashlib.sha256(f"{seed}/{number}".encode()).digest()[:4])
    mixed = MixedBatches(newest, old, share, options.batch_size, draws)
    batches: Batches = lambda step: mixed.batch(step - first)  # noqa: E731
    train_until(first + recipe.rounds.steps, training, batches, options, f"round {number}")
    Checkpoint(run / state_file(number), _ORIGIN).save(training)
    save_classifier(run / model_file(number), training.averaged.cpu())


_ORIGIN: Mapping[str, object] = {"rounds": 1}


def _go_on(training: Training, path: Path, step: int) -> None:
    Checkpoint(path, _ORIGIN).restore(training)
    if training.memory.step != step:
        raise Damaged(f"{path} stands at step {training.memory.step}, not {step}: delete it and run again")
