"""Takes labelled samples of one domain to another, whose samples have no labels."""

import torch
from torch import Tensor

from data.records import Candidates
from generators.options import SearchOptions
from generators.search import Scene, keys_of, pick_parents, propose, translated


def translate(scene: Scene, y: Tensor, options: SearchOptions, rng: torch.Generator) -> Candidates:
    """A real sample of each label, int64 (N,), as the other domain would have it: its label goes with it.

    The noise is drawn anew, so that a sample that is picked twice is translated in two ways. Whether the label went
    along is for `agreement` and `back_agreement` to say, and for `cycle_error` whether anything else did.

    Raises:
        ValueError: there is no translation, as this is no adaptation.
    """
    rows = pick_parents(scene.real, y, rng)
    starts = scene.real.inputs["image"][rows]
    images = translated(scene, starts, rng)
    return propose(scene, "translate", y, images=images, starts=starts, parents=keys_of(scene.real, rows))
