"""Control of `interpolate`: mixes pixels of two real samples at the point where the margin has the wanted value."""

import torch
from torch import Tensor

from data.records import Candidates
from generators.boundary import bisect_to_margin
from generators.options import SearchOptions
from generators.search import Scene, keys_of, pick_parents, pick_strangers, propose, wanted_margins


def pixel_interpolate(scene: Scene, y: Tensor, options: SearchOptions, rng: torch.Generator) -> Candidates:
    """Start at a real sample of each label, int64 (N,), and bisect the segment to one of another class.

    Mixup (Zhang et al. 2018, arXiv:1710.09412) draws the place on the segment blindly; here the model's boundary
    decides it, and the judges decide whether the label still holds there.
    """
    rows, others = pick_parents(scene.real, y, rng), pick_strangers(scene.real, y, rng)
    starts, ends = scene.real.inputs["image"][rows], scene.real.inputs["image"][others]
    images = bisect_to_margin(scene.model, starts, ends, y, wanted_margins(len(y), options.band, rng, options.sides))
    return propose(
        scene, "pixel_interpolate", y, images=images, starts=starts, parents=keys_of(scene.real, rows, others)
    )
