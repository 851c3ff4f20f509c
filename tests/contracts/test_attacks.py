"""Every file of generators/attacks keeps the promises of the folder."""

import pytest
import torch

import generators.attacks
from data.plugins import plugin, plugin_names
from generators.balls import Ball

BALL = Ball(epsilon=0.1, steps=10, step_size=0.05)

pytestmark = pytest.mark.parametrize("name", plugin_names(generators.attacks))


def attack_of(name):
    return plugin(generators.attacks, name)


def edge_points() -> tuple[torch.Tensor, torch.Tensor]:
    """Points on both sides of the half-plane's boundary, pixels at 0 and at 1 among them, with right labels."""
    x = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.45, 0.3], [0.55, 0.7]]).view(4, 1, 1, 2)
    return x, torch.tensor([0, 1, 0, 1])


@pytest.mark.parametrize("labels", ["hard", "soft"])
def test_it_crosses_a_boundary_within_reach_in_both_directions_and_none_beyond(name, labels, half_plane, rng):
    x, y = edge_points()
    told = y if labels == "hard" else torch.nn.functional.one_hot(y, 2).float()

    x_adv = attack_of(name)(half_plane, x, told, BALL, rng)

    assert (half_plane(x_adv).argmax(1) == y).tolist() == [True, True, False, False]


def test_it_stays_in_its_ball_and_in_range_and_uses_the_ball_up(name, half_plane, rng):
    x, y = edge_points()

    x_adv = attack_of(name)(half_plane, x, y, BALL, rng)

    moved = (x_adv - x).abs()
    assert moved.max() <= BALL.epsilon + 1e-6
    assert moved[2:, 0, 0, 0].min() >= BALL.epsilon - 1e-6  # half of a doubled or halved epsilon would show here
    assert x_adv.min() >= 0
    assert x_adv.max() <= 1


def test_the_same_seed_gives_the_same_result_with_and_without_grad(name, half_plane):
    x, y = edge_points()

    with torch.no_grad():
        one = attack_of(name)(half_plane, x, y, BALL, torch.Generator().manual_seed(3))
    two = attack_of(name)(half_plane, x, y, BALL, torch.Generator().manual_seed(3))

    assert torch.equal(one, two)
    assert not two.requires_grad


def test_it_leaves_model_and_global_random_numbers_as_they_were(name, rng):
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(2, 2), torch.nn.Dropout(0.0)).train()
    x, y = edge_points()
    before = torch.random.get_rng_state()

    attack_of(name)(model, x, y, BALL, rng)

    assert model.training
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("bad", [float("nan"), -0.5, 1.5])
def test_an_input_out_of_range_is_refused(name, bad, half_plane, rng):
    x, y = edge_points()
    x[1] = bad

    with pytest.raises(ValueError, match=r"x must lie in \[0, 1\]"):
        attack_of(name)(half_plane, x, y, BALL, rng)
