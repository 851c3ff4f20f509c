"""The nouns: what a sample is on its way from a source to a shard."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """N samples in memory.

    Attributes:
        keys: N sample keys, each `[a-z0-9_-]+`.
        inputs: modality -> x (N, ...) as a model takes it, in the modality's own range: images (N, C, H, W) in [0, 1].
        labels: int64 (N,).
    """

    keys: tuple[str, ...]
    inputs: Mapping[str, Tensor]
    labels: Tensor

    def __post_init__(self) -> None:
        sizes = {"keys": len(self.keys), "labels": len(self.labels)}
        sizes |= {name: len(x) for name, x in self.inputs.items()}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"a batch has one length, got {sizes}")

    def __len__(self) -> int:
        return len(self.keys)

    def rows(self, chosen: Tensor) -> Self:
        """The samples at `chosen`, int64 (M,), in that order."""
        keys = tuple(self.keys[i] for i in chosen.tolist())
        return type(self)(keys, {name: x[chosen] for name, x in self.inputs.items()}, self.labels[chosen])


@dataclass(frozen=True)
class Unlabelled:
    """Real samples whose labels nobody told; each is read when it is wanted.

    Attributes:
        keys: U sample keys.
        read: rows, int64 (N,) -> x (N, ...) as a model takes it.
    """

    keys: tuple[str, ...]
    read: Callable[[Tensor], Tensor]

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True)
class Candidates:
    """Proposed samples: a batch somebody made up, and how.

    Attributes:
        batch: the samples; its labels are the intended ones.
        search: name of the search that made them.
        parents: N tuples of real sample keys, empty for a sample that came from a latent alone.
        starts: modality -> x (N, ...), each sample before the search moved it.
        margins_before, margins: float (N,), the attacked model's margin at the start and at the end.
        as_is: these are real samples and meant to be: neither a margin near 0 nor newness is asked of them.
    """

    batch: Batch
    search: str
    parents: tuple[tuple[str, ...], ...]
    starts: Mapping[str, Tensor]
    margins_before: Tensor
    margins: Tensor
    as_is: bool = False

    def __len__(self) -> int:
        return len(self.batch)

    def rows(self, chosen: Tensor) -> Self:
        """The candidates at `chosen`, int64 (M,), in that order."""
        parents = tuple(self.parents[i] for i in chosen.tolist())
        starts = {name: x[chosen] for name, x in self.starts.items()}
        before, after = self.margins_before[chosen], self.margins[chosen]
        return type(self)(self.batch.rows(chosen), self.search, parents, starts, before, after, self.as_is)


@dataclass(frozen=True)
class Verdict:
    """What label checks say of N candidates; `a & b` accepts what both accept and keeps the first reason.

    Attributes:
        reasons: N short codes, the empty string for an accepted candidate.
        scores: check -> float (N,), the figure it judged by.
    """

    reasons: tuple[str, ...]
    scores: Mapping[str, Tensor]

    @classmethod
    def of(cls, check: str, accepted: Tensor, score: Tensor) -> Self:
        """The verdict of one check: bool (N,) and the float (N,) it decided by."""
        return cls(tuple("" if ok else check for ok in accepted.tolist()), {check: score})

    @property
    def accepted(self) -> Tensor:
        """Bool (N,)."""
        return torch.tensor([not reason for reason in self.reasons], dtype=torch.bool)

    def __and__(self, other: Self) -> Self:
        if len(self.reasons) != len(other.reasons):
            raise ValueError(f"verdicts of {len(self.reasons)} and of {len(other.reasons)} candidates")
        reasons = tuple(mine or theirs for mine, theirs in zip(self.reasons, other.reasons, strict=True))
        return type(self)(reasons, {**self.scores, **other.scores})


@dataclass(frozen=True)
class ManifestRow:
    """One candidate, kept or refused. No clock and no host: the same run gives the same rows."""

    key: str
    accepted: bool
    reason: str
    label: int
    search: str
    parents: Sequence[str]
    margin_before: float
    margin: float
    scores: Mapping[str, float]
    soft_label: Sequence[float]
    sha256: str
    """Of the encoded input, kept or not; of several, of the encodings one after the other, by extension."""
    crc32: Mapping[str, int] = field(default_factory=dict)
    """Of each member as stored, extension -> CRC-32; empty for a refused candidate."""
    shard: str = ""
    """The tar it lies in; empty for a refused candidate and in a draft."""
    offset: int = -1
    """Where its first member's header begins in that tar; -1 where there is none."""
    length: int = 0
    """Bytes of the tar that are its own, headers and padding included; 0 for a refused candidate."""
    moved: Mapping[str, float] | None = None
    """Modality -> how far the search moved it, in the modality's own units; None in a set of images alone."""
