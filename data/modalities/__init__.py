"""What inputs of one kind are in memory and at rest: one file a modality, which exports a `Modality` of its own name.

Three shapes of the same input: the *content* that a source holds (a file's bytes, or an array); the *values* that are
kept, of a fixed NumPy type and as exact as the shard (8-bit pixels, 16-bit sound, float32 features, bytes of UTF-8);
and `x`, what a model takes. docs/modalities.md has the contract, tests/contracts/test_modalities.py checks it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol, cast

import numpy as np
import torch
from torch import Tensor

import data.modalities
from data.forms import Form
from data.plugins import plugin

Content = bytes | np.ndarray
"""An input as its source holds it, unchecked: a file's bytes, or an array."""


@dataclass(frozen=True)
class Fit:
    """How inputs are brought to one form.

    Attributes:
        size: images are resized to this many pixels a side; 0 leaves them.
        channels: images become grey (1) or RGB (3); 0 leaves them.
        length: sound, features and text are cut or padded with zeros to so many samples, frames or bytes; 0 leaves
            them.
    """

    size: int = 0
    channels: int = 0
    length: int = 0


class Held(NamedTuple):
    """The values of one input, of its modality's type, and samples a second of sound or 0."""

    values: np.ndarray
    rate: int = 0

    @property
    def form(self) -> Form:
        """The form it has."""
        return Form(self.values.shape, self.rate)


class Check(Protocol):
    """Proves that a member decodes to a form, perhaps faster than by decoding it."""

    def __call__(self, content: bytes, form: Form, *, quick: bool = False) -> None:
        """Raise Damaged where it does not; with `quick` trust what the file says of itself."""


@dataclass(frozen=True)
class Modality:
    """One kind of input.

    Attributes:
        extension: of its member in a shard.
        kind: NumPy type of the values, little-endian.
        unit: of a perturbation, in words.
        low, high: least and greatest value of x.
        take: content -> its values, in the form that a `Fit` asks for; raises Refused.
        floats: values (N, ...) -> x (N, ...); bytes of text stay uint8.
        rest: x (N, ...) -> values (N, ...), rounded; raises ValueError where x leaves its range.
        encode: one x and its form -> the member's bytes; same x, same bytes.
        decode: a member's bytes and the form they should have, or None for any -> values (...); raises Damaged.
        check: that a member has a form; raises Damaged.
        unit_of: values (N, ...) of training samples -> `Form.unit`.
        moved: x after, x before, both (N, ...), and their form -> float (N,), how far each went, in `unit`.
    """

    extension: str
    kind: str
    unit: str
    low: float
    high: float
    take: Callable[[Content, Fit], Held]
    floats: Callable[[Tensor], Tensor]
    rest: Callable[[Tensor], Tensor]
    encode: Callable[[Tensor, Form], bytes]
    decode: Callable[[bytes, Form | None], Tensor]
    check: Check
    unit_of: Callable[[Tensor], tuple[float, ...]]
    moved: Callable[[Tensor, Tensor, Form], Tensor]

    def stored(self, x: Tensor) -> Tensor:
        """What a reader of the shard will see of x (N, ...)."""
        return self.floats(self.rest(x))


@lru_cache
def modality(name: str) -> Modality:
    """The modality of that name; asked for every sample.

    Raises:
        WrongUse: there is none; the message lists those there are.
    """
    return cast(Modality, plugin(data.modalities, name))


def members_of(names: Iterable[str]) -> dict[str, str]:
    """Extension -> what it holds, of a sample of these modalities."""
    inputs = {modality(name).extension: name for name in names}
    return dict(sorted({"cls": "label", "json": "facts", "probs.npy": "soft_label", **inputs}.items()))


def no_unit(_: Tensor) -> tuple[float, ...]:
    """The unit of what is measured in its own range, whatever its values (N, ...)."""
    return ()


def furthest(after: Tensor, before: Tensor, form: Form) -> Tensor:
    """The most that an element of each row moved, in units of the form: float (N,) from two float (N, ...)."""
    unit = torch.tensor(form.unit or 1.0, dtype=after.dtype)
    return ((after - before) / unit).abs().flatten(1).amax(1)
