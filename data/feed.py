"""Feeds a trainer from shard sets: mixed at exact shares, shuffled over whole sets, resumed anywhere.

    feed = Feed(["runs/real", "runs/digits/shards"], FeedOptions(batch_size=64, shares=(0.3, 0.7)))
    loader = DataLoader(feed, batch_size=None, num_workers=4)
    for batch in loader:                       # each time another epoch
        ...
        state = feed.state_after(batch)        # a small dictionary; feed.resume(state) goes on after this batch

What a batch holds follows from (seed, epoch, step) alone (data/mixing.py), so any number of workers gives the same
batches in the same order.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from data.blocks import Members
from data.epochs import Epochs
from data.errors import WrongUse
from data.files import digest_of
from data.forms import Form
from data.mixing import Mixture
from data.opened import OpenSet, open_for_reading
from data.tensors import tensors_of


@dataclass(frozen=True)
class FeedOptions:
    """How sets are fed to one rank.

    Attributes:
        batch_size: at most; batches of an epoch differ by one sample where it does not divide it.
        seed: of the order.
        shares: of each set, summing to 1: an epoch passes the first set once. Empty: all samples once an epoch.
        rank, world: this process of the distributed training, and how many there are.
        decode: tensors; otherwise members as bytes.
        classes: for soft labels of sets that have none; by default what the indexes say.
        cache: folder on this machine for tars of URLs.
        verify: compare each tar's SHA-256 with the index when opening.
    """

    batch_size: int
    seed: int = 0
    shares: Sequence[float] = ()
    rank: int = 0
    world: int = 1
    decode: bool = True
    classes: int = 0
    cache: Path | None = None
    verify: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world:
            raise WrongUse(f"rank must lie in [0, {self.world}), got {self.rank}")


@dataclass(frozen=True)
class RawBatch:
    """Samples as they lie in the tars.

    No tuple, since a DataLoader would go through every member of it.

    Attributes:
        epoch, step: which batch of which epoch this is; step counts this rank's batches from 0.
        keys: of the samples.
        parts: int64 (B,), which set each came from.
        members: of each sample, extension -> content.
    """

    epoch: int
    step: int
    keys: list[str]
    parts: Tensor
    members: list[Members]


class FedBatch(NamedTuple):
    """Samples as tensors.

    Attributes:
        epoch, step, keys, parts: as those of a `RawBatch`.
        images: uint8 (B, C, H, W); (B, 0) where the sets hold none.
        labels: int64 (B,).
        soft_labels: float32 (B, K); one-hot for a sample that has none.
        inputs: modality -> its values (B, ...), of every modality that all sets hold; images among them.
    """

    epoch: int
    step: int
    keys: list[str]
    parts: Tensor
    images: Tensor
    labels: Tensor
    soft_labels: Tensor
    inputs: dict[str, Tensor]


class Feed(IterableDataset[RawBatch | FedBatch]):
    """Batches of one or more shard sets, for one rank; see the module's example.

    Iterate it through a DataLoader with `batch_size=None`, with or without workers, persistent or not, from any start
    method; each iteration is the next epoch, also after one that was broken off (one dropped before its first batch
    may not count). No decoder of pickles is anywhere near.
    """

    def __init__(self, urls: Sequence[str], options: FeedOptions) -> None:
        """Open the sets: folders of shard sets or of plain tars, or URLs.

        Raises:
            Damaged: a set is unfinished or damaged.
            WrongUse: shares, batch_size or rank do not fit.
        """
        self.sets: list[OpenSet] = [open_for_reading(url, options.cache, verify=options.verify) for url in urls]
        self.classes = options.classes or max(opened.classes for opened in self.sets)
        sizes = tuple(map(len, self.sets))
        self.mixture = Mixture(sizes, tuple(options.shares), options.batch_size, options.seed, options.world)
        self.rank, self.decode = options.rank, options.decode
        self.forms = _shared([opened.forms for opened in self.sets])
        digests = [opened.digest for opened in self.sets]
        self.digest = digest_of([digests, list(options.shares), options.batch_size * options.world, options.seed])
        self._epochs = Epochs()

    def __len__(self) -> int:
        """Batches of a whole epoch, for each rank."""
        return self.mixture.steps

    def __iter__(self) -> Iterator[RawBatch | FedBatch]:
        """The next epoch, or what is left of it after `resume`; within a worker, every n-th batch."""
        worker = get_worker_info()
        count, number = (worker.num_workers, worker.id) if worker else (1, 0)
        epoch, first = self._epochs.begin()
        return (self.batch(epoch, step) for step in range(first + number, len(self), count))

    def batch(self, epoch: int, step: int) -> RawBatch | FedBatch:
        """This rank's batch of one step.

        Raises:
            Damaged: a sample does not decode; set and key are named.
        """
        parts, rows = self.mixture.batch(epoch, step, self.rank)
        keys, members = [""] * len(rows), list[Members]([{}] * len(rows))
        for part, opened in enumerate(self.sets):
            places = np.flatnonzero(parts == part)
            for place, found in zip(places.tolist(), opened.samples(rows[places]), strict=True):
                keys[place], members[place] = found
        if not self.decode:
            return RawBatch(epoch, step, keys, torch.from_numpy(parts), members)
        decoded = tensors_of(
            members, self.classes, lambda place: f"{self.sets[parts[place]].url}, {keys[place]}", self.forms
        )
        images = decoded.inputs.get("image", torch.empty(len(keys), 0, dtype=torch.uint8))
        tensors = images, decoded.labels, decoded.soft_labels, decoded.inputs
        return FedBatch(epoch, step, keys, torch.from_numpy(parts), *tensors)

    def state_after(self, batch: RawBatch | FedBatch) -> Mapping[str, int | str]:
        """Where to go on after a batch that was trained on: JSON."""
        return {"epoch": batch.epoch, "step": batch.step + 1, "feed": self.digest}

    def resume(self, state: Mapping[str, int | str]) -> None:
        """Go on where `state_after` stood, also with another number of workers.

        Raises:
            WrongUse: the state is of other sets, shares, seed or samples a step.
        """
        if state.get("feed") != self.digest:
            raise WrongUse("the state is of another feed: other sets, shares, seed, or batch_size x world")
        epoch, step = int(state["epoch"]), int(state["step"])
        self._epochs.go_on(*((epoch, step) if step < len(self) else (epoch + 1, 0)))


def _shared(forms: Sequence[Mapping[str, Form]]) -> dict[str, Form] | None:
    """The modalities that all sets hold in one form; None where one is of plain tars, of which images are read.

    Raises:
        WrongUse: the sets have none in common.
    """
    if not all(forms):
        return None
    kinds = [{name: (form.shape, form.rate) for name, form in each.items()} for each in forms]
    shared = {name: form for name, form in forms[0].items() if all(k.get(name) == kinds[0][name] for k in kinds)}
    if not shared:
        raise WrongUse(f"the sets share no modality of one form: {'; '.join(map(str, kinds))}")
    return shared
