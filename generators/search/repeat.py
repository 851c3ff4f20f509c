"""Control: real samples again, as they are (with soft labels: self-distillation)."""

import torch
from torch import Tensor

from data.records import Candidates
from generators.options import SearchOptions
from generators.search import Scene, keys_of, pick_parents, propose


def repeat(scene: Scene, y: Tensor, options: SearchOptions, rng: torch.Generator) -> Candidates:
    """A random real sample of each label, int64 (N,)."""
    rows = pick_parents(scene.real, y, rng)
    images = scene.real.inputs["image"][rows]
    return propose(scene, "repeat", y, images=images, starts=images, parents=keys_of(scene.real, rows))
