"""What searches among a generator's latents share: what they walk on, and fresh starts for what has not arrived."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from data.modalities import modality
from data.records import Candidates
from generators.margins import margins_of
from generators.options import SearchOptions
from generators.search import Scene, on_side, propose, wanted_margins

TOLERANCE = 0.1
"""A search stops within this share of the band of the wanted margin."""
OfRows = Callable[[Tensor, Tensor], Tensor]
"""Something of M rows, and which they are, int64 (M,) -> something else of them."""


@dataclass(frozen=True)
class Ground:
    """What latents walk on: N rows, each with a label of its own and, of pairs, a companion of its own.

    Attributes:
        made: z, float (M, Z), of rows -> x (M, ...) of the modality that the generator makes.
        margin: that x of rows -> the attacked model's margin at their labels, float (M,).
        size, latent: N and Z.
        name: the modality.
        realism: x of rows -> how far above the floor it is, float (M,); None where there is no floor.
    """

    made: OfRows
    margin: OfRows
    size: int
    latent: int
    name: str = "image"
    realism: OfRows | None = None

    def gap(self, z: Tensor, rows: Tensor, wanted: Tensor) -> Tensor:
        """How far the margins of z, float (M, Z), for rows, int64 (M,), are above the wanted ones: float (M,)."""
        return self.margin(self.made(z, rows), rows) - wanted


Move = Callable[[Ground, Tensor, Tensor, Tensor], Tensor]
"""The ground, z, float (M, Z), rows, int64 (M,), and wanted margins, float (M,) -> z where the search ends."""


def from_latents(
    scene: Scene, search: str, y: Tensor, options: SearchOptions, rng: torch.Generator, move: Move
) -> Candidates:
    """Move Gaussian latents, one for each label, int64 (N,); what has not arrived tries a fresh one.

    Returns:
        N candidates without parents; those that never arrived as the last try left them.
    """
    start, z = sought(_ground_of(scene, y, options), options, rng, move)
    with torch.no_grad():
        images, starts = scene.generator(z, y), scene.generator(start, y)
    return propose(scene, search, y, images=images, starts=starts, parents=[()] * len(y))


def sought(ground: Ground, options: SearchOptions, rng: torch.Generator, move: Move) -> tuple[Tensor, Tensor]:
    """Move a Gaussian latent of each row; rows that have not arrived try a fresh one, `restarts` times in all.

    Returns:
        Where each row's last try began and where it ended, both float (N, Z).
    """
    wanted = wanted_margins(ground.size, options.band, rng, options.sides)
    start, z = torch.empty(2, ground.size, ground.latent)
    waiting = torch.arange(ground.size)
    for _ in range(options.restarts):
        start[waiting] = torch.randn(len(waiting), ground.latent, generator=rng)
        z[waiting] = move(ground, start[waiting], waiting, wanted[waiting])
        waiting = waiting[~_arrived(ground, z[waiting], waiting, options)]
        if not len(waiting):
            break
    return start, z


@torch.no_grad()
def _arrived(ground: Ground, z: Tensor, rows: Tensor, options: SearchOptions) -> Tensor:
    """Bool (M,): as a reader will see it, in the band, on the wanted side, above the floor."""
    x = modality(ground.name).stored(ground.made(z, rows))
    margins = ground.margin(x, rows)
    there = (margins.abs() <= options.band) & on_side(margins, options.sides)
    return there & (ground.realism(x, rows) >= 0) if ground.realism else there


def _ground_of(scene: Scene, y: Tensor, options: SearchOptions) -> Ground:
    """The scene as the ground of rows with these labels, int64 (N,)."""

    def made(z: Tensor, rows: Tensor) -> Tensor:
        """Float (M, Z), rows int64 (M,) -> x (M, ...)."""
        return scene.generator(z, y[rows])

    def margin(x: Tensor, rows: Tensor) -> Tensor:
        """X (M, ...), rows int64 (M,) -> float (M,)."""
        return margins_of(scene.model(x), y[rows])

    def realism(x: Tensor, rows: Tensor) -> Tensor:
        """X (M, ...), rows int64 (M,) -> float (M,)."""
        return scene.realism_of(x, y[rows]) - scene.realism_floor(options.realism)

    return Ground(made, margin, len(y), scene.latent, "image", realism if options.realism else None)
