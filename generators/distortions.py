"""Strong geometric augmentation: what another hand, pen or camera might do to a sample without changing its class."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class DistortionOptions:
    """How far a sample is distorted; each is drawn evenly up to these, but for the bend."""

    turn: float = 0.35
    """Radians."""
    slant: float = 0.3
    """Columns a row."""
    growth: float = 0.2
    """Logarithm of the scale, of width and height apart."""
    move: float = 0.06
    """Shares of the side."""
    bend: float = 0.04
    """Standard deviation of a smooth displacement, in shares of the side. Simard et al. 2003, ICDAR."""

    def __post_init__(self) -> None:
        for name in ("turn", "slant", "growth", "move", "bend"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"distortion.{name} must be >= 0 and finite, got {getattr(self, name)}")


@torch.no_grad()
def distort(x: Tensor, rng: torch.Generator, options: DistortionOptions) -> Tensor:
    """Each image, float (N, C, H, W) in [0, 1], distorted in a way of its own; what comes in from outside is black."""
    mosts = (options.turn, options.slant, options.growth, options.growth, options.move, options.move)
    turn, slant, wide, high, right, down = ((2 * torch.rand(len(x), generator=rng) - 1) * most for most in mosts)
    cosine, sine, aspect = turn.cos(), turn.sin(), x.shape[2] / x.shape[3]
    first = torch.stack([cosine * wide.exp(), (slant - sine) * wide.exp() * aspect, 2 * right], 1)
    second = torch.stack([sine * high.exp() / aspect, cosine * high.exp(), 2 * down], 1)
    grid = F.affine_grid(torch.stack([first, second], 1), list(x.shape), align_corners=False)
    bend = torch.randn(len(x), 2, 4, 4, generator=rng) * 2 * options.bend
    smooth = F.interpolate(bend, x.shape[2:], mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    return F.grid_sample(x, (grid + smooth).to(x), padding_mode="zeros", align_corners=False).clamp(0, 1)
