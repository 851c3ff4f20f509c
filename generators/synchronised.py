"""Synchronised augmentation: one draw an event, carried out in every modality by that modality's own rule.

| of the draw | image | audio | features |
| --- | --- | --- | --- |
| time, a share of the duration | columns, where they are time | samples | frames |
| flip | columns mirrored, where they are space | first and last channel change places | - |
| gain | brightness | loudness | - |

A pure function of events and draws, so that what is recorded of a draw makes every modality again, bit by bit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

from generators.paired_options import SyncOptions

TIME_AXIS = {"audio": 2, "features": 1}
"""Modality -> the dimension of x (N, ...) along which time runs; of images it is an option; a single row of features
has no time."""


@dataclass(frozen=True)
class Draw:
    """What becomes of N events.

    Attributes:
        time: float (N,), how much later each happens, as a share of its duration; below 0, earlier.
        flip: bool (N,), whether left and right change places.
        gain: float (N,), the factor of brightness and loudness.
    """

    time: Tensor
    flip: Tensor
    gain: Tensor

    def told(self) -> dict[str, Tensor]:
        """What a manifest keeps of it: name -> float (N,)."""
        return {"sync_time": self.time, "sync_flip": self.flip.float(), "sync_gain": self.gain}


def draw(x: Mapping[str, Tensor], options: SyncOptions, rng: torch.Generator) -> Draw:
    """Draw for every event, modality -> x (N, ...); times fall on the places of the modality that has the fewest."""
    count, steps = len(next(iter(x.values()))), _steps(x, options)
    most = round(options.time * steps)
    time = torch.randint(-most, most + 1, (count,), generator=rng) / max(steps, 1)
    flip = torch.rand(count, generator=rng) < options.flip
    gain = ((2 * torch.rand(count, generator=rng) - 1) * log(1 + options.gain)).exp()
    return Draw(time, flip, gain)


def synchronised(x: Mapping[str, Tensor], drawn: Draw, options: SyncOptions) -> dict[str, Tensor]:
    """Carry a draw out in every modality, x (N, ...); what comes in from outside is black, silent or padding."""
    found = dict(x)
    for name, axis in _axes(x, options).items():
        found[name] = _later(found[name], drawn.time, axis)
    if "image" in x and options.columns == "space":
        found["image"] = _mirrored(found["image"], drawn.flip, 3)
    if "audio" in x:
        found["audio"] = _mirrored(found["audio"], drawn.flip, 1)
    for name, low in (("image", 0.0), ("audio", -1.0)):
        if name in x:
            found[name] = (found[name] * drawn.gain.view(-1, *[1] * (found[name].ndim - 1))).clamp(low, 1)
    return found


def _axes(x: Mapping[str, Tensor], options: SyncOptions) -> dict[str, int]:
    axes = {**TIME_AXIS, **({"image": 3} if options.columns == "time" else {})}
    return {name: axis for name, axis in axes.items() if name in x and not (name == "features" and x[name].ndim < 3)}


def _steps(x: Mapping[str, Tensor], options: SyncOptions) -> int:
    """Places of the coarsest time axis; 0 where no modality has one."""
    return min((x[name].shape[axis] for name, axis in _axes(x, options).items()), default=0)


def _later(x: Tensor, share: Tensor, axis: int) -> Tensor:
    length, along = x.shape[axis], [1] * x.ndim
    along[0], along[axis] = len(x), length
    places = torch.arange(length)[None, :] - (share * length).round().long()[:, None]
    inside = ((places >= 0) & (places < length)).view(along)
    moved = x.gather(axis, places.clamp(0, length - 1).view(along).expand_as(x))
    return torch.where(inside, moved, torch.zeros_like(x))


def _mirrored(x: Tensor, chosen: Tensor, axis: int) -> Tensor:
    return torch.where(chosen.view(-1, *[1] * (x.ndim - 1)), x.flip(axis), x)
