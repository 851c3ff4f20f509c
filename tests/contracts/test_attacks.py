"""Every file of generators/attacks keeps the promises of the folder, on a problem solved on paper."""

import pytest
import torch

import generators.attacks
from data.plugins import plugin, plugin_names
from generators.options import Ball

STEPS = {"square": 400, "cw": 200, "pgd": 20}
NEAREST = ("cw", "deepfool", "fab")
"""Those that look for the nearest error instead of using the ball up."""
ABSENT = [("cw", "linf")]
CASES = [
    (name, norm) for name in plugin_names(generators.attacks) for norm in ("linf", "l2") if (name, norm) not in ABSENT
]

every_attack = pytest.mark.parametrize(("name", "norm"), CASES)


def attack_of(name):
    return plugin(generators.attacks, name)


def ball_of(name, norm, **options):
    return Ball(epsilon=0.1, norm=norm, steps=STEPS.get(name, 20), step_size=0.02, **options)


def wall(x):
    """Class 0 where the first pixel is below 0.5, 1 above, 2 and 3 nowhere; |first pixel - 0.5| is the distance."""
    side = 10 * (x.flatten(1)[:, 0] - 0.5)
    return torch.stack([-side, side, -8 + 0 * side, -9 + 0 * side], 1)


def points() -> tuple[torch.Tensor, torch.Tensor]:
    """Points 0.5, 0.5, 0.105, 0.095 and 0.095 away from the boundary, on both sides, with right labels."""
    first = torch.tensor([0.0, 1.0, 0.395, 0.405, 0.595])
    x = torch.stack([first, torch.tensor([0.0, 1.0, 0.3, 0.7, 0.2])], 1)
    return x.view(5, 1, 1, 2), torch.tensor([0, 1, 0, 0, 1])


@every_attack
@pytest.mark.parametrize("labels", ["hard", "soft"])
@pytest.mark.parametrize("stop_early", [False, True])
def test_it_crosses_a_boundary_within_reach_in_both_directions_and_none_beyond(name, norm, labels, stop_early, rng):
    x, y = points()
    told = y if labels == "hard" else torch.nn.functional.one_hot(y, 4).float()

    x_adv = attack_of(name)(wall, x, told, ball_of(name, norm, stop_early=stop_early), rng)

    assert (wall(x_adv).argmax(1) == y).tolist() == [True, True, True, False, False]


@every_attack
def test_it_crosses_towards_its_target(name, norm, rng):
    x, y = points()

    x_adv = attack_of(name)(wall, x, y, ball_of(name, norm), rng, 1 - y)

    assert (wall(x_adv).argmax(1) == y).tolist() == [True, True, True, False, False]


@every_attack
def test_it_stays_in_its_ball_and_in_range(name, norm, rng):
    x, y = points()

    x_adv = attack_of(name)(wall, x, y, ball_of(name, norm), rng)

    order = float("inf") if norm == "linf" else 2
    assert torch.linalg.vector_norm((x_adv - x).flatten(1), order, dim=1).max() <= 0.1 + 1e-6
    assert x_adv.min() >= 0
    assert x_adv.max() <= 1


@every_attack
def test_it_finds_the_exact_distance_or_uses_the_ball_up(name, norm, rng):
    x, y = points()

    x_adv = attack_of(name)(wall, x, y, ball_of(name, norm), rng)

    moved = (x_adv - x).flatten(1)[3:, 0].abs()
    assert moved.min() >= 0.095 - 1e-6
    if name in NEAREST:
        assert moved.max() <= 0.095 * 1.03


@pytest.mark.parametrize(("name", "norm"), [case for case in CASES if case[0] in NEAREST])
def test_without_a_limit_it_finds_every_row_s_distance(name, norm, rng):
    x, y = points()
    ball = Ball(epsilon=float("inf"), norm=norm, steps=1500 if name == "cw" else 30)

    x_adv = attack_of(name)(wall, x, y, ball, rng)

    order = float("inf") if norm == "linf" else 2
    distance = torch.linalg.vector_norm((x_adv - x).flatten(1), order, dim=1)
    assert torch.allclose(distance, torch.tensor([0.5, 0.5, 0.105, 0.095, 0.095]), rtol=0.03)


@pytest.mark.parametrize(("name", "norm"), [case for case in CASES if case[0] in NEAREST])
def test_without_a_limit_a_row_that_may_leave_still_breaks_first(name, norm, rng):
    x, y = points()
    ball = Ball(epsilon=float("inf"), norm=norm, steps=1500 if name == "cw" else 30, stop_early=True)

    x_adv = attack_of(name)(wall, x, y, ball, rng)

    assert (wall(x_adv).argmax(1) != y).all()


@pytest.mark.parametrize(("name", "norm"), [case for case in CASES if case[0] not in (*NEAREST, "fgsm")])
def test_without_a_limit_one_that_uses_its_ball_up_says_what_it_needs(name, norm, rng):
    x, y = points()

    with pytest.raises(ValueError, match="finite epsilon, got inf"):
        attack_of(name)(wall, x, y, Ball(epsilon=float("inf"), norm=norm), rng)


@every_attack
def test_the_same_seed_gives_the_same_result_with_and_without_grad(name, norm):
    x, y = points()

    with torch.no_grad():
        one = attack_of(name)(wall, x, y, ball_of(name, norm), torch.Generator().manual_seed(3))
    two = attack_of(name)(wall, x, y, ball_of(name, norm), torch.Generator().manual_seed(3))

    assert torch.equal(one, two)
    assert not two.requires_grad


@every_attack
def test_it_leaves_model_and_global_random_numbers_as_they_were(name, norm, rng):
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(2, 4), torch.nn.Dropout(0.0)).train()
    x, y = points()
    given, before = x.clone(), torch.random.get_rng_state()

    attack_of(name)(model, x, y, ball_of(name, norm), rng)

    assert model.training
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(given, x)


@every_attack
@pytest.mark.parametrize("shape", [(12,), (3, 4), (1, 4, 3), (2, 2, 3, 1)], ids=str)
@pytest.mark.parametrize("stop_early", [False, True])
def test_it_takes_inputs_of_any_shape(name, norm, shape, stop_early, rng):
    x, y = torch.rand(3, *shape, generator=rng) / 3, torch.zeros(3, dtype=torch.int64)
    x.flatten(1)[:, 0] = 0.48

    x_adv = attack_of(name)(wall, x, y, ball_of(name, norm, stop_early=stop_early, restarts=2), rng)

    assert x_adv.shape == x.shape
    assert (wall(x_adv).argmax(1) == 1).all()


@every_attack
def test_a_row_fares_alike_whoever_else_leaves_the_batch(name, norm, rng):
    x, y = points()

    x_adv = attack_of(name)(wall, x, y, ball_of(name, norm, stop_early=True, restarts=3), rng)

    right = wall(x_adv).argmax(1) == y
    assert right.tolist() == [True, True, True, False, False]
    assert ((x_adv - x).abs() <= 0.1 + 1e-6).all()


@every_attack
def test_a_row_that_is_wrong_already_is_given_back_wrong(name, norm, rng):
    x, y = points()

    x_adv = attack_of(name)(wall, x, 1 - y, ball_of(name, norm, stop_early=True), rng)

    assert (wall(x_adv).argmax(1) == y).all()


@every_attack
@pytest.mark.parametrize("bad", [float("nan"), -0.5, 1.5])
def test_an_input_out_of_range_is_refused(name, norm, bad, rng):
    x, y = points()
    x[1] = bad

    with pytest.raises(ValueError, match=r"x must lie in \[0, 1\]"):
        attack_of(name)(wall, x, y, ball_of(name, norm), rng)
