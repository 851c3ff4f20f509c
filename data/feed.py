"""Feeds a trainer from shard sets: mixed at exact shares, shuffled over whole sets, resumed anywhere.

    feed = Feed(["runs/real", "runs/digits/shards"], FeedOptions(batch_size=64, shares=(0.3, 0.7)))
    loader = DataLoader(feed, batch_size=None, num_workers=4)
    for batch in loader:                       # each time another epoch
        ...
        state = feed.state_after(batch)        # a small dictionary; feed.resume(state) goes on after this batch

What a batch holds follows from (seed, epoch, step) alone (data/mixing.py), so any number of workers gives the same
batches in the same order.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from data.errors import Damaged, WrongUse
from data.files import digest_of
from data.mixing import Mixture
from data.modalities import image
from data.opened import Members, OpenSet, open_for_reading

MOST_WORKERS = 128


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


class RawBatch(NamedTuple):
    """Samples as they lie in the tars.

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
        images: uint8 (B, C, H, W).
        labels: int64 (B,).
        soft_labels: float32 (B, K); one-hot for a sample that has none.
    """

    epoch: int
    step: int
    keys: list[str]
    parts: Tensor
    images: Tensor
    labels: Tensor
    soft_labels: Tensor


class Feed(IterableDataset[RawBatch | FedBatch]):
    """Batches of one or more shard sets, for one rank; see the module's example.

    Iterate it through a DataLoader with `batch_size=None`, with or without workers, persistent or not; each iteration
    is the next epoch. No decoder of pickles is anywhere near.
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
        digests = [opened.digest for opened in self.sets]
        self.digest = digest_of([digests, list(options.shares), options.batch_size * options.world, options.seed])
        # Shared with worker processes: where to start, and how many iterations each worker has begun; a row for each
        # number of workers, since those of another number are at rest and their counts stand still.
        self._start = _shared(2)
        self._begun = _shared(MOST_WORKERS + 1, MOST_WORKERS)

    def __len__(self) -> int:
        """Batches of a whole epoch, for each rank."""
        return self.mixture.steps

    def __iter__(self) -> Iterator[RawBatch | FedBatch]:
        """The next epoch, or what is left of it after `resume`; within a worker, every n-th batch."""
        worker = get_worker_info()
        count, number = (worker.num_workers, worker.id) if worker else (1, 0)
        if count > MOST_WORKERS:
            raise WrongUse(f"at most {MOST_WORKERS} workers, got {count}")
        row = count if worker else 0
        others = self._begun.amax(1)  # one look: workers of this row count on meanwhile
        before = int(others.sum() - others[row] + self._begun[row, number])
        self._begun[row, number] += 1
        first = int(self._start[1]) if before == 0 else 0
        for step in range(first + number, len(self), count):
            yield self.batch(int(self._start[0]) + before, step)

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
        try:
            images = torch.stack([_image(each) for each in members])
            labels = [int(each["cls"]) for each in members]
            soft = [_soft(each, label, self.classes) for each, label in zip(members, labels, strict=True)]
            soft_labels = torch.from_numpy(np.stack(soft))
        except (KeyError, ValueError, RuntimeError, Damaged) as error:
            where = ", ".join(f"{self.sets[part].url} {key}" for part, key in zip(parts.tolist(), keys, strict=True))
            raise Damaged(f"one of these samples does not decode ({error!r}): {where}") from error
        return FedBatch(epoch, step, keys, torch.from_numpy(parts), images, torch.tensor(labels), soft_labels)

    def state_after(self, batch: RawBatch | FedBatch) -> Mapping[str, int | str]:
        """Where to go on after a batch that was trained on: JSON."""
        return {"epoch": batch.epoch, "step": batch.step + 1, "feed": self.digest}

    def resume(self, state: Mapping[str, int | str]) -> None:
        """Go on where `state_after` stood, also with another number of workers.

        Raises:
            WrongUse: the state is of other sets, shares, seed or samples a step.
        """
        if state["feed"] != self.digest:
            raise WrongUse("the state is of another feed: other sets, shares, seed, or batch_size x world")
        epoch, step = int(state["epoch"]), int(state["step"])
        self._start[0], self._start[1] = (epoch, step) if step < len(self) else (epoch + 1, 0)
        self._begun.zero_()


def _shared(*shape: int) -> Tensor:
    zeros = torch.zeros(shape, dtype=torch.int64)
    zeros.share_memory_()  # type: ignore[no-untyped-call]
    return zeros


def _image(members: Members) -> Tensor:
    return image.decode(members[image.extension])


def _soft(members: Members, label: int, classes: int) -> np.ndarray:
    content = members.get("probs.npy")
    if content is None:
        if not 0 <= label < classes:
            raise ValueError(f"label {label} of {classes} classes: give `classes`")
        one_hot: np.ndarray = np.eye(classes, dtype=np.float32)[label]
        return one_hot
    size = 10 + int.from_bytes(content[8:10], "little")
    kind, shape = _npy_header(content[:size])
    soft: np.ndarray = np.frombuffer(content, kind, offset=size).reshape(shape).astype(np.float32)
    return soft


@lru_cache(maxsize=64)
def _npy_header(head: bytes) -> tuple[np.dtype, tuple[int, ...]]:
    """Type and shape by an .npy file's header, version 1.0; the same few headers come again and again."""
    if head[:8] != b"\x93NUMPY\x01\x00":
        raise Damaged("no .npy file of version 1.0")
    shape, fortran, kind = np.lib.format.read_array_header_1_0(io.BytesIO(head[8:]))
    if kind.hasobject or fortran:
        raise Damaged("an .npy file of Python objects, or in Fortran order")
    return kind, shape
