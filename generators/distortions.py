"""Strong geometric augmentation: what another hand, pen or camera might do to a sample without changing its class."""

import torch
import torch.nn.functional as F
from torch import Tensor

from generators.options import DistortionOptions


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
