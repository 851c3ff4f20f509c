"""Control: the generator's samples as they come, with no search."""

import torch
from torch import Tensor

from data.records import Candidates
from generators.options import SearchOptions
from generators.search import Scene, propose


def random_latent(scene: Scene, y: Tensor, options: SearchOptions, rng: torch.Generator) -> Candidates:
    """One generated sample for each label, int64 (N,)."""
    with torch.no_grad():
        images = scene.generator(torch.randn(len(y), scene.latent, generator=rng), y)
    return propose(scene, "random_latent", y, images=images, starts=images, parents=[()] * len(y))
