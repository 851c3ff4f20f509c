"""What a worker process does for a round's training: weigh the archive, mix shards, train on from the last state."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from data.loader import MixedBatches, Pool
from data.reading import read_samples
from data.shards import read_index
from data.store import Store
from generators.margins import Model
from pipelines.recipes import Recipe
from pipelines.training.fitting.fit import fit, train_until
from pipelines.training.fitting.options import FitOptions
from pipelines.training.fitting.underway import begin
from pipelines.training.models.classifier import load_classifier, save_classifier
from pipelines.training.participants import real_pool, shape_of
from pipelines.training.rounds.archive import Archive, weighed
from pipelines.training.rounds.places import model_file, raw_file, set_folder


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
    shards = {other: shard_of(run, other) for other in (*older, number)}
    fooled = {other: fool_rate(attacked, shard) for other, shard in shards.items()}
    archive = weighed(fooled, number, options.archive, options.stale_below)
    newest, old = ([shards[other] for other in wanted] for wanted in ([number], archive.kept))
    fresh, remembered = (_pool(some, options.soft) for some in (newest, old or newest))
    _train(recipe, run, number, fresh, remembered, 1 - options.newest if old else 0.0)
    return _told(archive, number, fooled)


def _told(archive: Archive, number: int, fooled: Mapping[int, float]) -> dict[str, object]:
    rates = {str(other): rate for other, rate in fooled.items()}
    success = rates.pop(str(number))
    return {"attack_success": success, "archive": list(archive.kept), "dropped": list(archive.dropped), "fooled": rates}


@dataclass(frozen=True)
class Shard:
    """A round's samples: images, uint8 (N, C, H, W); labels, int64 (N,); the judges' soft labels, float (N, K)."""

    images: Tensor
    labels: Tensor
    soft_labels: Tensor


def shard_of(run: Path, number: int) -> Shard:
    """A round's shard, read from disk once in each process.

    Raises:
        Damaged: the set is unfinished or was altered.
    """
    store = Store(str(run / set_folder(number)))
    return _read(store.url, str(read_index(store).facts["digest"]))


@lru_cache(maxsize=32)
def _read(url: str, digest: str) -> Shard:
    found = read_samples(Store(url))
    images, soft = torch.stack([s.image for s in found]), torch.stack([s.soft_label for s in found])
    return Shard(images, torch.tensor([s.label for s in found]), soft)


@torch.no_grad()
def fool_rate(model: Model, shard: Shard) -> float:
    """Share of samples to which the model gives another class than their label."""
    return float((model(shard.images.float() / 255).argmax(1) != shard.labels).float().mean())


def staleness(run: Path, last: int) -> dict[str, object]:
    """Share of each round's shard that fools the model of the last round."""
    newest = load_classifier(run / model_file(last))
    return {"fooled": [fool_rate(newest, shard_of(run, number)) for number in range(1, last + 1)]}


def fit_rival(recipe: Recipe, run: Path, out: str, options: FitOptions) -> dict[str, object]:
    """Train on the real samples alone, from the seed that the rounds began with."""
    real, shape = real_pool(run, "train", recipe.source)
    batches = MixedBatches(real, real, 0.0, options.batch_size, recipe.seed)
    save_classifier(run / out, fit(batches.batch, shape, options, recipe.seed, Path(out).stem).model)
    return {}


def _pool(shards: Sequence[Shard], soft: float) -> Pool:
    images, labels, judged = (
        torch.cat([getattr(shard, part) for shard in shards]) for part in ("images", "labels", "soft_labels")
    )
    return Pool(images, torch.lerp(F.one_hot(labels, judged.shape[1]).float(), judged, soft))


def _train(recipe: Recipe, run: Path, number: int, newest: Pool, old: Pool, share: float) -> None:
    """Go on from the weights of the round before; leave this round's newest weights and the averaged ones.

    The rate is constant and the optimiser begins anew, so that a round depends on no later one and on no more than its
    predecessor's weights: measured in docs/rounds.md.
    """
    options, seed, steps = recipe.rounds.fit, recipe.seed, recipe.rounds.steps
    shape = replace(shape_of(run), features=options.features)
    training = begin(shape, options.learning_rate, options.weight_decay, steps, seed, options.device, constant=True)
    if number:
        training.model.load_state_dict(load_classifier(run / raw_file(number - 1)).state_dict())
        training.averaged.load_state_dict(load_classifier(run / model_file(number - 1)).state_dict())
    training.memory.step = first = number * steps
    draws = int.from_bytes(hashlib.sha256(f"{seed}/{number}".encode()).digest()[:4])
    mixed = MixedBatches(newest, old, share, options.batch_size, draws)

    def batch(step: int) -> tuple[Tensor, Tensor]:
        return mixed.batch(step - first)

    train_until(first + steps, training, batch, options, f"round {number}")
    save_classifier(run / raw_file(number), training.model.cpu())
    save_classifier(run / model_file(number), training.averaged.cpu())
