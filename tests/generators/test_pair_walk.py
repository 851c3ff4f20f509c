"""Latent walks on one modality of a pair, in a world of one pixel and one number, solved on paper."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch

from data.forms import Form
from data.records import Batch
from generators.along import along
from generators.margins import margins_of
from generators.options import SearchOptions
from generators.pair_walk import walk_one
from generators.synthesis import Real

BAND = 0.4
SHIFTS = torch.linspace(-0.3, 0.3, 61)


@dataclass
class Pixel:
    """One pixel of each latent, the darker the higher the condition."""

    shape = SimpleNamespace(forms={"image": Form((1, 1, 1))}, latent=3)

    def __call__(self, z, conditions):
        return {"image": torch.sigmoid(z[:, 0] - conditions[:, 0]).view(-1, 1, 1, 1)}


def fused(x):
    """At its boundary where pixel and number together are 0.5; class 1 above it. A step of 8 bits is a margin of .06"""
    above = 8 * (x["image"].flatten(1).sum(1) + x["features"].flatten(1).sum(1) - 0.5)
    return torch.stack([-above, above], 1)


@pytest.fixture
def real() -> Real:
    """61 events of class 1, each with a number of its own, so that each has its boundary at another pixel."""
    keys = tuple(f"{place:064x}" for place in range(len(SHIFTS)))
    inputs = {"image": torch.ones(len(SHIFTS), 1, 1, 1), "features": SHIFTS[:, None]}
    members = {"image": [f"i{key}" for key in keys], "features": [f"f{key}" for key in keys]}
    return Real(Batch(keys, inputs, torch.ones(len(SHIFTS), dtype=torch.int64)), members)


def walked(real, **changes):
    options = SearchOptions(**{"band": BAND, "restarts": 8, **changes})
    way = along(fused, real.events.inputs, "image", Form((1, 1, 1)))
    return walk_one(way, Pixel(), real, SHIFTS[:, None], options, torch.Generator().manual_seed(0))


def test_each_pixel_ends_where_its_own_companion_puts_the_boundary(real):
    made = walked(real)

    before, after = made.margins
    assert (after.abs() <= BAND).all()
    assert (before.abs() > BAND).float().mean() > 0.5
    assert torch.allclose(made.x["image"].flatten(), 0.5 - SHIFTS, atol=BAND / 16 + 0.5 / 255)


def test_the_companion_stays_and_its_member_is_the_one_parent(real):
    made = walked(real)

    assert made.x["features"] is made.starts["features"] is real.events.inputs["features"]
    assert made.members == {"features": real.members["features"]}
    assert (made.x["image"] != made.starts["image"]).flatten(1).any(1).float().mean() > 0.9


def test_margins_are_of_the_pixels_that_a_reader_sees(real):
    made = walked(real)

    for x, margins in zip((made.starts, made.x), made.margins, strict=True):
        assert torch.equal((x["image"] * 255).round() / 255, x["image"])
        assert torch.equal(margins_of(fused(x), real.events.labels), margins)


@pytest.mark.parametrize(("sides", "sign"), [("right", 1), ("wrong", -1)])
def test_it_walks_to_the_side_asked_for(real, sides, sign):
    _, after = walked(real, sides=sides).margins

    assert (after * sign >= 0).all()


def test_without_a_step_nothing_moves(real):
    made = walked(real, steps=1, step_size=1e-9, restarts=1)

    assert torch.equal(made.x["image"], made.starts["image"])
    assert torch.equal(*made.margins)
