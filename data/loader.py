"""Feeds a trainer from memory: a shard set mixed with real samples at an exact ratio."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from data.errors import WrongUse
from data.labels import Labels
from data.mixing import drawn
from data.modalities import image, modality
from data.reading import Sample, read_samples
from data.records import Batch
from data.store import Store


@dataclass(frozen=True)
class Pool:
    """Samples held in memory: 8-bit images, uint8 (N, C, H, W), and soft labels, float (N, K), rows summing to 1."""

    images: Tensor
    soft_labels: Tensor

    def __len__(self) -> int:
        return len(self.images)

    @classmethod
    def of_real(cls, batch: Batch, classes: int) -> "Pool":
        """Real samples with their labels as one-hot rows."""
        return cls(image.quantise(batch.inputs["image"]), F.one_hot(batch.labels, classes).float())


@dataclass(frozen=True)
class EventPool:
    """Samples of several modalities in memory, each (N, ...) as it is kept, and soft labels, float (N, K)."""

    values: Mapping[str, Tensor]
    soft_labels: Tensor

    def __len__(self) -> int:
        return len(self.soft_labels)

    @classmethod
    def of_real(cls, batch: Batch, classes: int) -> "EventPool":
        """Real samples with their labels as one-hot rows."""
        values = {name: modality(name).rest(x) for name, x in batch.inputs.items()}
        return cls(values, F.one_hot(batch.labels, classes).float())

    def inputs(self, rows: Tensor) -> dict[str, Tensor]:
        """The samples at these rows, int64 (M,): modality -> x (M, ...) as a model takes it."""
        return {name: modality(name).floats(values[rows]) for name, values in self.values.items()}


def read_pool(url: str, *, band: float = 0.0, labels: Labels = "soft") -> Pool:
    """The images and labels of a finished shard set; see `read_samples`.

    Args:
        band: leave out samples whose margin is farther than this from 0, in logits; 0 takes all.

    Raises:
        WrongUse: no sample is that near to the boundary.
    """
    found = _within(url, band)
    return Pool(torch.stack([s.image for s in found]), _soft_of(found, labels))


def read_events(url: str, *, band: float = 0.0, labels: Labels = "soft") -> EventPool:
    """All modalities and labels of a finished shard set; arguments and errors as of `read_pool`."""
    found = _within(url, band)
    values = {name: torch.stack([s.inputs[name] for s in found]) for name in found[0].inputs}
    return EventPool(values, _soft_of(found, labels))


def _within(url: str, band: float) -> list[Sample]:
    found = [sample for sample in read_samples(Store(url)) if not band or abs(sample.margin) <= band]
    if not found:
        raise WrongUse(f"{url} has no sample with a margin within {band}: take a wider mixing.band")
    return found


def _soft_of(found: Sequence[Sample], labels: Labels) -> Tensor:
    soft = torch.stack([s.soft_label for s in found])
    if labels == "one_hot":
        return F.one_hot(torch.tensor([s.label for s in found]), soft.shape[1]).float()
    return soft


@dataclass(frozen=True)
class MixedRows:
    """Which real and which synthetic samples each batch holds, at a stated ratio, each a function of its step alone.

    The ratio is exact: after any number of steps the synthetic share differs from it by less than one sample. Within
    an epoch of either pool no sample is left out or comes twice; each epoch has its own order. Since a batch depends
    on nothing but (seed, step), a trainer that resumes at a step sees what it would have seen.

    Attributes:
        real, synthetic: samples of either pool.
        synthetic_share: in [0, 1].
        batch_size: samples a step and rank.
        rank, world: this process and how many there are; together they see what one process would in `world` steps.
    """

    real: int
    synthetic: int
    synthetic_share: float
    batch_size: int
    seed: int
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.synthetic_share <= 1:
            raise WrongUse(f"synthetic_share must lie in [0, 1], got {self.synthetic_share}")
        if not 0 <= self.rank < self.world:
            raise WrongUse(f"rank must lie in [0, {self.world}), got {self.rank}")

    def rows(self, step: int) -> tuple[Tensor, Tensor]:
        """Rows of the real and of the synthetic pool, int64 each, of one step, counted from 0."""
        turn = step * self.world + self.rank
        first, last = (math.floor(t * self.batch_size * self.synthetic_share) for t in (turn, turn + 1))
        real = self._places(0, self.real, turn * self.batch_size - first, (turn + 1) * self.batch_size - last)
        return real, self._places(1, self.synthetic, first, last)

    def _places(self, part: int, size: int, first: int, last: int) -> Tensor:
        """Places `first` to `last` of a part's endless order, the one that readers of shards go by as well."""
        return torch.from_numpy(drawn(size, self.seed, part, first, last))


@dataclass(frozen=True)
class MixedBatches:
    """Batches of real and synthetic images, mixed as `MixedRows` says; attributes as there."""

    real: Pool
    synthetic: Pool
    synthetic_share: float
    batch_size: int
    seed: int
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        _mixed(self)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Images, float (B, C, H, W) in [0, 1], and soft labels, float (B, K), of one step, counted from 0."""
        real, synthetic = _mixed(self).rows(step)
        images = torch.cat([self.real.images[real], self.synthetic.images[synthetic]])
        return images.float() / 255, torch.cat([self.real.soft_labels[real], self.synthetic.soft_labels[synthetic]])


@dataclass(frozen=True)
class MixedEvents:
    """Batches of real and synthetic samples of several modalities, mixed as `MixedRows` says; attributes as there."""

    real: EventPool
    synthetic: EventPool
    synthetic_share: float
    batch_size: int
    seed: int
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        _mixed(self)
        if self.real.values.keys() != self.synthetic.values.keys():
            raise WrongUse(f"pools of {', '.join(self.real.values)} and of {', '.join(self.synthetic.values)}")

    def batch(self, step: int) -> tuple[dict[str, Tensor], Tensor]:
        """Modality -> x (B, ...) as a model takes it, and soft labels, float (B, K), of one step, counted from 0."""
        real, synthetic = _mixed(self).rows(step)
        mine, theirs = self.real.inputs(real), self.synthetic.inputs(synthetic)
        soft = torch.cat([self.real.soft_labels[real], self.synthetic.soft_labels[synthetic]])
        return {name: torch.cat([x, theirs[name]]) for name, x in mine.items()}, soft


def _mixed(batches: MixedBatches | MixedEvents) -> MixedRows:
    sizes = len(batches.real), len(batches.synthetic)
    return MixedRows(*sizes, batches.synthetic_share, batches.batch_size, batches.seed, batches.rank, batches.world)
