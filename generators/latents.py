"""What searches among the generator's latents share: fresh starts for what has not arrived."""

from collections.abc import Callable

import torch
from torch import Tensor

from data.modalities import image
from data.records import Candidates
from generators.margins import margins_of
from generators.options import SearchOptions
from generators.search import Scene, on_side, propose, wanted_margins

TOLERANCE = 0.1
"""A search stops within this share of the band of the wanted margin."""
Move = Callable[[Tensor, Tensor, Tensor], Tensor]
"""z, float (N, Z), labels, int64 (N,), and wanted margins, float (N,) -> z where the search ends."""


def from_latents(
    scene: Scene, search: str, y: Tensor, options: SearchOptions, rng: torch.Generator, move: Move
) -> Candidates:
    """Move Gaussian latents, one for each label, int64 (N,); what has not arrived tries a fresh one.

    Returns:
        N candidates without parents; those that never arrived as the last try left them.
    """
    wanted = wanted_margins(len(y), options.band, rng, options.sides)
    start, z = torch.empty(2, len(y), scene.latent)
    waiting = torch.arange(len(y))
    for _ in range(options.restarts):
        start[waiting] = torch.randn(len(waiting), scene.latent, generator=rng)
        z[waiting] = move(start[waiting], y[waiting], wanted[waiting])
        waiting = waiting[~_arrived(scene, z[waiting], y[waiting], options)]
        if not len(waiting):
            break
    with torch.no_grad():
        images, starts = scene.generator(z, y), scene.generator(start, y)
    return propose(scene, search, y, images=images, starts=starts, parents=[()] * len(y))


@torch.no_grad()
def _arrived(scene: Scene, z: Tensor, y: Tensor, options: SearchOptions) -> Tensor:
    """Bool (N,): with pixels as a reader will see them, in the band, on the wanted side, above the floor."""
    images = image.stored(scene.generator(z, y))
    margins = margins_of(scene.model(images), y)
    there = (margins.abs() <= options.band) & on_side(margins, options.sides)
    if options.realism:
        there &= scene.realism_of(images, y) >= scene.realism_floor(options.realism)
    return there
