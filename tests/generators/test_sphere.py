"""Moves on a sphere, against angles known on paper."""

import math

import pytest
import torch

from generators.sphere import slerp, tangent, turn

EAST, NORTH = torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([[0.0, 2.0, 0.0]])


@pytest.mark.parametrize(("place", "angle"), [(0.0, 0.0), (0.5, math.pi / 4), (1.0, math.pi / 2), (2.0, math.pi)])
def test_a_great_circle_is_followed_evenly_and_beyond_its_end(place, angle):
    found = slerp(EAST, NORTH, torch.tensor([place]))

    assert torch.allclose(found, torch.tensor([[2 * math.cos(angle), 2 * math.sin(angle), 0.0]]), atol=1e-6)


def test_between_latents_of_two_lengths_the_length_changes_geometrically():
    found = slerp(EAST, NORTH * 4, torch.tensor([0.5]))

    assert found.norm().item() == pytest.approx(4)


def test_the_way_from_a_latent_to_itself_stays_there():
    assert torch.allclose(slerp(EAST, EAST, torch.tensor([0.7])), EAST)


def test_a_turn_keeps_the_length_and_has_the_angle(rng):
    z, direction = torch.randn(50, 8, generator=rng), torch.randn(50, 8, generator=rng)

    turned = turn(z, tangent(direction, z), torch.full((50,), 0.3))

    assert torch.allclose(turned.norm(dim=1), z.norm(dim=1), rtol=1e-5)
    cosine = torch.nn.functional.cosine_similarity(turned, z, dim=1)
    assert torch.allclose(cosine, torch.full((50,), math.cos(0.3)), atol=1e-5)
