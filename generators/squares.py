"""The changes that the Square Attack tries, Andriushchenko et al. 2020, arXiv:1912.00049.

Images here are float (N, C, H, W); every row of a batch draws its own place and signs.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from generators.balls import columns, lengths

TILES = 5
"""Tiles along a side at first (section 3.4)."""


@dataclass(frozen=True)
class Window:
    """Height and width, in pixels, of a window."""

    height: int
    width: int


def as_images(x: Tensor) -> Tensor:
    """Inputs of any shape, (N, ...), as (N, C, H, W): what has no height or no channels gets one."""
    if x.ndim == 2:
        return x.view(len(x), 1, 1, -1)
    if x.ndim == 3:
        return x.view(len(x), x.shape[1], 1, -1)
    return x.reshape(*x.shape[:2], -1, x.shape[-1])


def window_of(share: float, like: Tensor, *, odd: bool) -> Window:
    """A window, square where it can be, over a share of images (N, C, H, W); of at least 3 and odd sides for L2."""
    height, width = like.shape[2:]
    side = max(1, round((share * height * width) ** 0.5))
    if odd:
        side = max(3, side + 1 - side % 2)
    tall = min(side, height)
    wide = side if tall == side else max(1, round(share * height * width / tall))
    return Window(tall, min(wide, width))


def striped(x: Tensor, epsilon: float, rng: torch.Generator) -> Tensor:
    """Each column of x, float (N, C, H, W), moved by epsilon, up or down: where the L-inf attack begins."""
    return (x + epsilon * _signs((*x.shape[:2], 1, x.shape[3]), x, rng)).clamp(0, 1)


def recoloured(best: Tensor, x: Tensor, window: Window, epsilon: float, rng: torch.Generator) -> Tensor:
    """`best` with one window a row moved to x plus or minus epsilon, one sign a channel (algorithm 2).

    Both and the result are float (N, C, H, W).
    """
    inside = torch.zeros_like(x[:, :1]).flatten(1).bool()
    inside = inside.scatter(1, _places(x, window, rng), value=True).view_as(x[:, :1])
    moved = (x + epsilon * _signs((*x.shape[:2], 1, 1), x, rng)).clamp(0, 1)
    return torch.where(inside, moved, best)


def tiled(x: Tensor, epsilon: float, rng: torch.Generator) -> Tensor:
    """X, float (N, C, H, W), with a grid of bumps of L2 length epsilon in all: where the L2 attack begins."""
    height, width = x.shape[2:]
    tile = Window(max(1, height // TILES), max(1, width // TILES))
    down, across = height // tile.height, width // tile.width
    signs = _signs((*x.shape[:2], down, across), x, rng)
    bumps = torch.kron(signs, _bumps(tile, x))
    delta = torch.zeros_like(x)
    delta[:, :, : bumps.shape[2], : bumps.shape[3]] = bumps
    return _on_sphere(x, delta, epsilon)


def transferred(best: Tensor, x: Tensor, window: Window, epsilon: float, rng: torch.Generator) -> Tensor:
    """`best` with what one window changes, and what is left of epsilon, moved into another window (algorithm 3).

    Both and the result are float (N, C, H, W).
    """
    n, channels = x.shape[:2]
    delta = (best - x).flatten(2)
    here, there = (_places(x, window, rng)[:, None].expand(n, channels, -1) for _ in range(2))
    left = (epsilon**2 - delta.flatten(1).square().sum(1)).clamp_min(0).view(n, 1, 1) / channels
    old = delta.gather(2, here)
    emptied = delta.scatter(2, here, 0.0).scatter(2, there, 0.0)
    budget = left + (delta.square() - emptied.square()).sum(2, keepdim=True)
    bumps = _bumps(window, x)
    if window.height == window.width and torch.rand((), generator=rng) < 0.5:
        bumps = bumps.T
    new = bumps.reshape(1, 1, -1) * _signs((n, channels, 1), x, rng) + _unit(old)
    return _on_sphere(x, emptied.scatter(2, here, _unit(new) * budget.sqrt()).view_as(x), epsilon)


def _unit(values: Tensor) -> Tensor:
    return values / values.square().sum(2, keepdim=True).sqrt().clamp_min(1e-12)


def _on_sphere(x: Tensor, delta: Tensor, epsilon: float) -> Tensor:
    return (x + delta * columns(epsilon / lengths(delta, "l2").clamp_min(1e-12), x)).clamp(0, 1)


def _bumps(window: Window, like: Tensor) -> Tensor:
    """Two bumps of opposite sign, one above the other, float (height, width) of L2 length 1 (equation 2)."""
    above = window.height // 2
    parts = [_bump(above, window.width), -_bump(window.height - above, window.width)]
    bumps = torch.cat(parts[above == 0 :]).to(like)
    return bumps / lengths(bumps[None], "l2")


def _bump(height: int, width: int) -> Tensor:
    """Falls off with the (maximum norm) distance from its middle as the tail of the sum of 1 / k^2."""
    rows, across = ((torch.arange(size) - size // 2).abs() for size in (height, width))
    distance = torch.maximum(rows[:, None], across[None])
    reach = max(height, width) // 2 + 1
    tails = (1 / torch.arange(1, reach + 1).double().square()).flip(0).cumsum(0).flip(0)
    return tails[distance].float()


def _places(x: Tensor, window: Window, rng: torch.Generator) -> Tensor:
    """Flat pixel numbers, int64 (N, height * width), of a window at a random place of each row."""
    height, width = x.shape[2:]
    room = (height - window.height + 1, width - window.width + 1)
    top, left = (torch.randint(most, (len(x), 1, 1), generator=rng, device=rng.device).to(x.device) for most in room)
    rows = torch.arange(window.height, device=x.device)[:, None]
    return ((top + rows) * width + left + torch.arange(window.width, device=x.device)).flatten(1)


def _signs(shape: tuple[int, ...], like: Tensor, rng: torch.Generator) -> Tensor:
    return torch.randint(2, shape, generator=rng, device=rng.device).to(like) * 2 - 1
