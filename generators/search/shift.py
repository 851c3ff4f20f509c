"""Control: real samples moved by up to a pixel, the traditional augmentation."""

import torch
from torch import Tensor

from data.records import Candidates
from generators import augmentation
from generators.options import SearchOptions
from generators.search import Scene, keys_of, pick_parents, propose


def shift(scene: Scene, y: Tensor, options: SearchOptions, rng: torch.Generator) -> Candidates:
    """A random real sample of each label, int64 (N,), shifted by -1, 0 or 1 pixel each way."""
    rows = pick_parents(scene.real, y, rng)
    starts = scene.real.inputs["image"][rows]
    images = augmentation.shift(starts, rng)
    return propose(scene, "shift", y, images=images, starts=starts, parents=keys_of(scene.real, rows))
