"""Goes from one real sample to another in latent space, to the place where the model's margin has the wanted value."""

import torch
import torch.nn.functional as F
from torch import Tensor

from data.records import Candidates
from generators.boundary import first_crossing
from generators.latents import TOLERANCE
from generators.margins import margins_of
from generators.options import SearchOptions
from generators.search import Scene, keys_of, pick_parents, pick_strangers, propose, wanted_margins
from generators.sphere import slerp


def interpolate(scene: Scene, y: Tensor, options: SearchOptions, rng: torch.Generator) -> Candidates:
    """Invert a real sample of each label, int64 (N,), and another, and follow the great circle between their latents.

    On the way from one class to another the generator's label goes along, from one embedding to the other; the
    intended label stays that of the first, and the judges decide whether it holds. `options.way` has other ways, of
    which most never meet the boundary. Mixing pixels instead: `pixel_interpolate`.

    Returns:
        N candidates; first parent is the real sample with the label, second the other end.
    """
    within = options.way == "within"
    rows, others = pick_parents(scene.real, y, rng), (pick_parents if within else pick_strangers)(scene.real, y, rng)
    latents = scene.latents_of(torch.cat([rows, others]), options.inversion).chunk(2)
    starts, ends = latents[::-1] if within else latents
    own, theirs = (F.one_hot(labels, scene.classes).float() for labels in (y, scene.real.labels[others]))
    wanted = wanted_margins(len(y), options.band, rng, options.sides)

    def images_at(place: Tensor, chosen: Tensor) -> Tensor:
        """Float (M, C, H, W) at a place, float (M,), on the ways of rows, int64 (M,)."""
        z = slerp(starts[chosen], ends[chosen], place)
        if options.way != "classes":
            return scene.generator(z, y[chosen])
        return scene.generator(z, torch.lerp(own[chosen], theirs[chosen], place[:, None].clamp_max(1)))

    def gap_at(place: Tensor, chosen: Tensor) -> Tensor:
        """How far the margin is above the wanted one there, float (M,)."""
        return margins_of(scene.model(images_at(place, chosen)), y[chosen]) - wanted[chosen]

    place = first_crossing(gap_at, len(y), 1 + options.beyond, tolerance=TOLERANCE * options.band)
    with torch.no_grad():
        images = images_at(place, torch.arange(len(y)))
    parents, real = keys_of(scene.real, rows, others), scene.real.inputs["image"][rows]
    return propose(scene, "interpolate", y, images=images, starts=real, parents=parents)
