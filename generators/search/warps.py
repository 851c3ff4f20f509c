"""Turns, slants, scales and moves real samples, and keeps the way that is nearest to the wanted margin."""

import torch
from torch import Tensor

from data.records import Candidates
from generators.margins import margins_of
from generators.options import SearchOptions
from generators.search import Scene, keys_of, pick_parents, propose, wanted_margins
from generators.warps import linear, warp

TRIES = 10
"""Warps tried of each parent, as in Engstrom et al. 2019, table 1."""
TURN, SLANT, GROWTH, MOVE = 0.25, 0.25, 0.15, 0.06
"""At most: a turn, in radians; a slant, in columns a row; a scale, in its logarithm; a move, in shares of the side."""


@torch.no_grad()
def warp_of(x: Tensor, rng: torch.Generator) -> Tensor:
    """Each image, float (N, C, H, W) in [0, 1], under a random affine warp of its own."""
    turn, slant, wide, high, right, down = (
        (2 * torch.rand(len(x), generator=rng) - 1) * most for most in (TURN, SLANT, GROWTH, GROWTH, MOVE, MOVE)
    )
    wide, high, aspect = wide.exp(), high.exp(), x.shape[2] / x.shape[3]
    cosine, sine = turn.cos(), turn.sin()
    matrices = linear([[cosine * wide, (slant - sine) * wide * aspect], [sine * high / aspect, cosine * high]])
    matrices[:, :, 2] = 2 * torch.stack([right, down], 1)  # the image is 2 wide and 2 high
    return warp(x, matrices)


@torch.no_grad()
def warps(scene: Scene, y: Tensor, options: SearchOptions, rng: torch.Generator) -> Candidates:
    """Warp a real sample of each label, int64 (N,), in several ways; the best of them by margin is the candidate.

    Spatial attacks by the worst of some random tries: Engstrom et al. 2019, arXiv:1712.02779. They need no gradient,
    and unlike a perturbation they make a sample that another hand might have made.
    """
    rows = pick_parents(scene.real, y, rng)
    starts = scene.real.inputs["image"][rows]
    wanted = wanted_margins(len(y), options.band, rng)
    best, gap = starts.clone(), torch.full((len(y),), float("inf"))
    for _ in range(TRIES):
        tried = warp_of(starts, rng)
        away = (margins_of(scene.model(tried), y) - wanted).abs()
        nearer = away < gap
        best[nearer], gap[nearer] = tried[nearer], away[nearer]
    return propose(scene, "warps", y, images=best, starts=starts, parents=keys_of(scene.real, rows))
