"""Every file of pipelines/training/fitting/objectives keeps the promises of the folder."""

import copy
from typing import cast

import pytest
import torch
import torch.nn.functional as F

import pipelines.training.fitting.objectives
from data.plugins import plugin, plugin_names
from generators.attacks.pgd import pgd
from generators.options import Ball
from pipelines.training.fitting.objectives import Memory, Objective, Plan

BALL = Ball(epsilon=0.1, steps=3, step_size=0.05)
PLAN = Plan(pgd, BALL)

pytestmark = pytest.mark.parametrize("name", plugin_names(pipelines.training.fitting.objectives))


def objective_of(name: str) -> Objective:
    return cast(Objective, plugin(pipelines.training.fitting.objectives, name))


def network() -> torch.nn.Module:
    """Three classes, inputs of 4 values."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))


def memory(seed: int = 0) -> Memory:
    return Memory(torch.Generator().manual_seed(seed))


@pytest.fixture
def x(rng) -> torch.Tensor:
    return torch.rand(6, 1, 2, 2, generator=rng)


def labels(*, soft: bool) -> torch.Tensor:
    hard = F.one_hot(torch.tensor([0, 1, 2, 0, 1, 2]), 3).float()
    return hard * 0.7 + 0.1 if soft else hard


@pytest.mark.parametrize("soft", [False, True])
def test_it_gives_a_finite_loss_with_a_gradient_for_every_parameter(name, soft, x):
    model = network()

    loss = objective_of(name)(model, x, labels(soft=soft), PLAN, memory())
    loss.backward()

    assert loss.shape == ()
    assert all(p.grad.isfinite().all() and p.grad.any() for p in model.parameters())


def test_before_going_back_the_parameters_have_no_gradient_and_the_mode_is_as_it_was(name, x):
    model = network().train()
    before = torch.random.get_rng_state()

    objective_of(name)(model, x, labels(soft=False), PLAN, memory())

    assert model.training
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_same_memory_gives_the_same_losses_step_after_step(name, x):
    losses = [steps_of(name, x, memory(3)) for _ in range(2)]

    assert losses[0] == losses[1]


def test_a_copy_of_the_memory_goes_on_as_the_memory_itself_does(name, x):
    one = memory()
    steps_of(name, x, one)
    two = Memory(torch.Generator(), one.step, {k: v.clone() for k, v in one.tensors.items()}, dict(one.notes))
    two.rng.set_state(one.rng.get_state())

    assert steps_of(name, x, one) == steps_of(name, x, two)


def steps_of(name: str, x: torch.Tensor, kept: Memory) -> list[float]:
    """Losses of six steps by gradient descent, from the same network each time."""
    model = network()
    optimiser, losses = torch.optim.SGD(model.parameters(), 0.1), []
    for _ in range(6):
        loss = objective_of(name)(model, x, labels(soft=True), PLAN, kept)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        kept.step += 1
        losses.append(loss.item())
    return losses


def test_a_soft_label_costs_the_mean_of_the_labels_that_it_mixes(name, x):
    # In a ball of radius 0 nothing moves, whichever label the attack is told.
    plan, weights = Plan(pgd, Ball(epsilon=0)), torch.tensor([0.5, 0.3, 0.2])

    def loss(y: torch.Tensor) -> float:
        return objective_of(name)(copy.deepcopy(network()), x, y, plan, memory()).item()

    mixed = loss(weights.expand(6, 3).contiguous())

    parts = [loss(F.one_hot(torch.full((6,), label), 3).float()) for label in range(3)]
    assert mixed == pytest.approx(sum(w * part for w, part in zip(weights.tolist(), parts, strict=True)), rel=1e-5)


def test_it_takes_l2_balls_too(name, x):
    plan = Plan(pgd, Ball(epsilon=0.3, norm="l2", steps=2, step_size=0.2))

    assert objective_of(name)(network(), x, labels(soft=True), plan, memory()).isfinite()
