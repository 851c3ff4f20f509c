"""Latent search on one modality of a pair: its generator's latent walks, its companion stays bit by bit as it is."""

import torch
from torch import Tensor

from data.modalities import modality
from generators.along import Along
from generators.latents import Ground, sought
from generators.margins import margins_of
from generators.options import SearchOptions
from generators.paired_networks import PairGenerator
from generators.search.latent_walk import walk_by
from generators.synthesis import Made, Real


def walk_one(
    way: Along, generator: PairGenerator, real: Real, conditions: Tensor, options: SearchOptions, rng: torch.Generator
) -> Made:
    """Make one part of each event anew, where the margin of a model of both parts has the wanted value.

    As `latent_walk`, on a generator that is told the other part. What has not arrived tries a fresh latent.

    Args:
        way: the model under attack as a model of the modality that is made, see `along`; it may hold more of the events
            than their inputs, to answer the same faster.
        generator: of that modality alone.
        real: the events whose other part is kept.
        conditions: what that part tells the generator, float (N, C).

    Returns:
        N events that start where the last try's latent began; those that never arrived as that try left them. Margins
        are those of what a reader of the shard will see.
    """
    ground = _ground_of(way, generator, conditions, real.events.labels)
    every = torch.arange(ground.size)
    with torch.no_grad():
        ends = sought(ground, options, rng, walk_by(options))
        before, after = (modality(way.name).stored(ground.made(z, every)) for z in ends)
        margins = (ground.margin(before, every), ground.margin(after, every))
    starts, x = ({**real.events.inputs, way.name: made} for made in (before, after))
    members = {name: keys for name, keys in real.members.items() if name != way.name}
    return Made(x, starts, real.events.labels, members, margins=margins)


def _ground_of(way: Along, generator: PairGenerator, conditions: Tensor, y: Tensor) -> Ground:
    """N events as the ground of latents: conditions float (N, C), labels int64 (N,)."""

    def made(z: Tensor, rows: Tensor) -> Tensor:
        """Float (M, Z), rows int64 (M,) -> x (M, ...)."""
        return generator(z, conditions[rows])[way.name]  # type: ignore[no-any-return]

    def margin(x: Tensor, rows: Tensor) -> Tensor:
        """X (M, ...), rows int64 (M,) -> float (M,)."""
        events = {name: value[rows] for name, value in way.inputs.items()}
        return margins_of(way.fused({**events, way.name: x}), y[rows])

    return Ground(made, margin, len(y), generator.shape.latent, way.name)
