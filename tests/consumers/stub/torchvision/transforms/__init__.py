"""The transforms of open_clip's training, on PIL pictures."""

import math
from collections.abc import Callable, Sequence

import torch
from PIL import Image
from torch import Tensor

from torchvision.absent import absent as __getattr__
from torchvision.transforms import functional
from torchvision.transforms.functional import InterpolationMode

__all__ = [
    "CenterCrop",
    "Compose",
    "InterpolationMode",
    "Normalize",
    "RandomResizedCrop",
    "Resize",
    "ToTensor",
    "__getattr__",
    "functional",
]


def _pair(size: int | Sequence[int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[-1])


class Compose:
    """One after the other."""

    def __init__(self, transforms: Sequence[Callable[[object], object]]) -> None:
        self.transforms = transforms

    def __call__(self, x: object) -> object:
        for transform in self.transforms:
            x = transform(x)
        return x


class ToTensor:
    """A picture to float (C, H, W) in [0, 1]."""

    def __call__(self, picture: Image.Image) -> Tensor:
        return functional.to_tensor(picture)


class Normalize:
    """(x - mean) / std, channel by channel."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean, self.std = (torch.tensor(value).view(-1, 1, 1) for value in (mean, std))

    def __call__(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


class Resize:
    """The shorter side to `size`, or both sides to a pair."""

    def __init__(
        self, size: int | Sequence[int], interpolation: InterpolationMode = InterpolationMode.BILINEAR
    ) -> None:
        self.size, self.interpolation = size, interpolation

    def __call__(self, picture: Image.Image) -> Image.Image:
        if not isinstance(self.size, int):
            return functional.resize(picture, _pair(self.size), self.interpolation)
        scale = self.size / min(picture.size)
        size = (round(picture.height * scale), round(picture.width * scale))
        return functional.resize(picture, size, self.interpolation)


class CenterCrop:
    """The middle of a picture at least as large."""

    def __init__(self, size: int | Sequence[int]) -> None:
        self.height, self.width = _pair(size)

    def __call__(self, picture: Image.Image) -> Image.Image:
        left, top = (picture.width - self.width) // 2, (picture.height - self.height) // 2
        return picture.crop((left, top, left + self.width, top + self.height))


class RandomResizedCrop:
    """A random part of a picture with `scale` of its area, resized."""

    def __init__(
        self,
        size: int | Sequence[int],
        scale: tuple[float, float] = (0.08, 1.0),
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    ) -> None:
        self.size, self.scale, self.interpolation = _pair(size), scale, interpolation

    def __call__(self, picture: Image.Image) -> Image.Image:
        share = math.sqrt(float(torch.empty(1).uniform_(*self.scale)))
        height, width = (max(1, round(side * share)) for side in (picture.height, picture.width))
        top = int(torch.randint(picture.height - height + 1, (1,)))
        left = int(torch.randint(picture.width - width + 1, (1,)))
        part = picture.crop((left, top, left + width, top + height))
        return functional.resize(part, self.size, self.interpolation)
