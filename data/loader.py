"""Feeds a trainer from memory: a shard set mixed with real samples at an exact ratio."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from data.errors import WrongUse
from data.labels import Labels as Labels
from data.mixing import drawn
from data.modalities import image
from data.reading import read_samples
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


def read_pool(url: str, *, band: float = 0.0, labels: Labels = "soft") -> Pool:
    """The images and labels of a finished shard set; see `read_samples`.

    Args:
        band: leave out samples whose margin is farther than this from 0, in logits; 0 takes all.

    Raises:
        WrongUse: no sample is that near to the boundary.
    """
    found = [sample for sample in read_samples(Store(url)) if not band or abs(sample.margin) <= band]
    if not found:
        raise WrongUse(f"{url} has no sample with a margin within {band}: take a wider mixing.band")
    soft = torch.stack([s.soft_label for s in found])
    if labels == "one_hot":
        soft = F.one_hot(torch.tensor([s.label for s in found]), soft.shape[1]).float()
    return Pool(torch.stack([s.image for s in found]), soft)


@dataclass(frozen=True)
class MixedBatches:
    """Batches of real and synthetic samples at a stated ratio, each batch a function of its step alone.

    The ratio is exact: after any number of steps the synthetic share differs from it by less than one sample. Within
    an epoch of either pool no sample is left out or comes twice; each epoch has its own order. Since a batch depends
    on nothing but (seed, step), a trainer that resumes at a step sees what it would have seen.

    Attributes:
        synthetic_share: in [0, 1].
        batch_size: samples a step and rank.
        rank, world: this process and how many there are; together they see what one process would in `world` steps.
    """

    real: Pool
    synthetic: Pool
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

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Images, float (B, C, H, W) in [0, 1], and soft labels, float (B, K), of one step, counted from 0."""
        turn = step * self.world + self.rank
        first, last = (math.floor(t * self.batch_size * self.synthetic_share) for t in (turn, turn + 1))
        real = self._rows(0, turn * self.batch_size - first, (turn + 1) * self.batch_size - last)
        synthetic = self._rows(1, first, last)
        images = torch.cat([self.real.images[real], self.synthetic.images[synthetic]])
        return images.float() / 255, torch.cat([self.real.soft_labels[real], self.synthetic.soft_labels[synthetic]])

    def _rows(self, part: int, first: int, last: int) -> Tensor:
        """Places `first` to `last` of a part's endless order, the one that readers of shards go by as well."""
        return torch.from_numpy(drawn(len((self.real, self.synthetic)[part]), self.seed, part, first, last))
