"""The latent walk's restarts, sides, floor of realism and cost, in worlds of a few pixels."""

from dataclasses import replace

import pytest
import torch

from generators.options import SearchOptions
from generators.search.latent_walk import latent_walk

OPTIONS = SearchOptions(band=1.0)


def found_by(scene, n=200, **changes):
    return latent_walk(scene, torch.arange(n) % 2, replace(OPTIONS, **changes), torch.Generator().manual_seed(0))


def in_band(found) -> float:
    return (found.margins.abs() <= OPTIONS.band).float().mean().item()


def cliffs(z, y):
    """Half of all latents lie where the image does not follow them, on the label's own side."""
    first = torch.sigmoid(z[:, :1] + 2 * y[:, None] - 1)
    far = torch.full_like(first, 0.1) * (1 - y[:, None]) + 0.9 * y[:, None]
    return torch.cat([torch.where(z[:, 1:2] > 0, first, far), z[:, :3] * 0 + 0.5], 1).view(-1, 1, 2, 2)


def test_what_has_not_arrived_tries_fresh_latents(scene):
    stuck = replace(scene, generator=cliffs)

    assert 0.35 < in_band(found_by(stuck, restarts=1)) < 0.65
    assert in_band(found_by(stuck, restarts=8)) > 0.97


@pytest.mark.parametrize(("sides", "sign"), [("right", 1), ("wrong", -1)])
def test_it_aims_at_the_side_asked_for(scene, sides, sign):
    found = found_by(scene, sides=sides)

    assert in_band(found) > 0.99
    assert ((found.margins * sign) >= 0).float().mean() > 0.97


def test_nothing_that_arrives_lies_below_the_floor_of_realism(scene):
    bright = replace(scene, discriminator=lambda x, y: x[:, 0, 1, 1] + 0 * y)
    floor = bright.realism_floor(0.5)

    found = (found_by(bright, realism=realism, restarts=9) for realism in (0.0, 0.5))
    free, kept = (bright.realism_of(some.batch.inputs["image"], some.batch.labels) for some in found)

    assert (free < floor).float().mean() > 0.3
    assert (kept < floor).float().mean() < 0.05


def test_a_floor_of_realism_needs_a_discriminator(scene):
    with pytest.raises(ValueError, match=r"search.realism needs a discriminator"):
        found_by(scene, realism=0.1)


def test_rows_leave_as_they_arrive(scene):
    rows = []

    def counted(x):
        rows.append(len(x))
        return scene.model(x)

    found_by(replace(scene, model=counted), n=200)

    assert sum(rows) / 200 < 12  # five looks, and a few to close in, round, and report


def test_the_latents_keep_their_lengths(scene):
    seen = []

    def watched(z, y):
        seen.append(z.detach())
        return scene.generator(z, y)

    found_by(replace(scene, generator=watched), n=50, restarts=1)

    after, before = seen[-2].norm(dim=1), seen[-1].norm(dim=1)
    assert torch.allclose(before, after, rtol=1e-4)
