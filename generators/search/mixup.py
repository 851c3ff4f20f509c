"""Control: pixel mixup of real samples, the cheap augmentation to beat. Zhang et al. 2018, arXiv:1710.09412."""

import torch
from torch import Tensor

from data.records import Candidates
from generators.options import SearchOptions
from generators.search import Scene, keys_of, pick_parents, propose


def mixup(scene: Scene, y: Tensor, options: SearchOptions, rng: torch.Generator) -> Candidates:
    """A real sample of each label, int64 (N,), blended with any other at a weight drawn evenly from [0, 1].

    The weight is not kept on the label's side: the soft label that travels with the sample says what it shows.
    """
    rows = pick_parents(scene.real, y, rng)
    others = torch.randint(len(scene.real), (len(y),), generator=rng)
    weights = torch.rand(len(y), 1, 1, 1, generator=rng)
    starts = scene.real.inputs["image"][rows]
    images = torch.lerp(scene.real.inputs["image"][others], starts, weights)
    return propose(scene, "mixup", y, images=images, starts=starts, parents=keys_of(scene.real, rows, others))
