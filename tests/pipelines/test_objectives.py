"""What each objective costs on cases solved on paper, and what it remembers."""

import math

import pytest
import torch
import torch.nn.functional as F

from generators.attacks.pgd import pgd
from generators.options import Ball
from pipelines.training.fitting.guard import NOTE, look_for_overfitting
from pipelines.training.fitting.objectives import Memory, Plan
from pipelines.training.fitting.objectives.free import free
from pipelines.training.fitting.objectives.madry import madry
from pipelines.training.fitting.objectives.mart import mart
from pipelines.training.fitting.objectives.mixed import mixed
from pipelines.training.fitting.objectives.n_fgsm import n_fgsm
from pipelines.training.fitting.objectives.plain import plain
from pipelines.training.fitting.objectives.trades import trades
from pipelines.training.fitting.objectives.warm import warm

BALL = Ball(epsilon=0.1, steps=4, step_size=0.05)
X = torch.full((1, 2), 0.5)
Y = torch.tensor([[1.0, 0.0]])


@pytest.fixture
def memory(rng) -> Memory:
    return Memory(rng)


class Line(torch.nn.Module):
    """Logits (-s, s) with s = slope * (first input - 0.5): label 0 is attacked by raising the first input."""

    def __init__(self, slope: float = 1.0) -> None:
        super().__init__()
        self.slope = torch.nn.Parameter(torch.tensor(slope))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        side = self.slope * (x[:, 0] - 0.5)
        return torch.stack([-side, side], 1)


def softplus(value: float) -> float:
    return math.log1p(math.exp(value))


def test_plain_and_madry_and_mixed_cost_the_cross_entropy_at_x_and_at_the_worst_point(memory):
    plan = Plan(pgd, BALL, weight=0.5)

    at_x, worst, both = (loss(Line(), X, Y, plan, memory).item() for loss in (plain, madry, mixed))

    assert at_x == pytest.approx(math.log(2))
    assert worst == pytest.approx(softplus(0.2), rel=1e-5)
    assert both == pytest.approx(at_x + 0.5 * worst, rel=1e-5)


def test_trades_weighs_the_divergence_within_the_ball_whatever_the_label(memory):
    plan = Plan(pgd, BALL, weight=2.0)

    loss = trades(Line(), X, Y, plan, memory).item()

    apart = (softplus(0.2) + softplus(-0.2)) / 2 - math.log(2)  # KL of (1/2, 1/2) from p(x_adv), either way
    assert loss == pytest.approx(math.log(2) + 2 * apart, rel=1e-4)


def test_mart_is_the_equation_of_its_paper_for_a_hard_label(memory):
    model, plan = Line(), Plan(pgd, BALL, weight=3.0)

    loss = mart(model, X, Y, plan, memory).item()

    p = torch.tensor([-softplus(0.2), -softplus(-0.2)]).exp()
    boosted = -math.log(p[0]) - math.log(1 - p[1])
    apart = (softplus(0.2) + softplus(-0.2)) / 2 - math.log(2)
    assert loss == pytest.approx(boosted + 3 * apart * 0.5, rel=1e-4)


def test_mart_stays_finite_when_another_class_is_certain(memory):
    model = Line(slope=2000.0)

    loss = mart(model, torch.ones(1, 2), Y, Plan(pgd, BALL), memory)

    assert loss.isfinite()


def test_n_fgsm_leaves_the_ball_but_not_the_range(rng):
    asked = []

    class Spy(Line):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            asked.append(x.detach())
            return super().forward(x)

    x = torch.linspace(0, 1, 200).view(100, 2)
    n_fgsm(Spy(), x, Y.expand(100, 2), Plan(pgd, BALL), Memory(rng))

    moved = (asked[-1] - x).abs()
    assert 0.25 < moved.max() <= 0.3 + 1e-6
    assert asked[-1].min() >= 0
    assert asked[-1].max() <= 1


def test_free_moves_its_perturbation_when_the_caller_goes_back_and_replays_the_batch(memory):
    plan, other = Plan(pgd, BALL, replays=2), torch.zeros(1, 2)
    losses = []

    for step, x in enumerate((X, other, other)):
        memory.step = step
        model = Line()
        loss = free(model, x, Y, plan, memory)
        losses.append(loss.item())
        loss.backward()

    assert losses[0] == pytest.approx(math.log(2))  # no perturbation yet
    assert losses[1] == pytest.approx(softplus(0.2), rel=1e-5)  # the first batch again, moved by epsilon
    assert losses[2] == pytest.approx(softplus(2 * (0.1 - 0.5)), rel=1e-5)  # a new batch, the old perturbation


def test_warm_goes_on_where_it_left_an_image_whichever_row_it_comes_in(memory):
    plan = Plan(pgd, Ball(epsilon=0.2, steps=1, step_size=0.02))
    images, y = torch.tensor([[0.4, 0.4], [0.6, 0.6]]), Y.expand(2, 2)
    reached = []

    for x in (images, images.flip(0), images):
        warm(Line(), x, y, plan, memory)
        reached.append(memory.tensors["x_adv"][:, 0] - images[:, 0])

    assert len(memory.tensors["keys"]) == 2
    assert torch.allclose(reached[1] - reached[0], torch.tensor(0.02), atol=1e-6)
    assert torch.allclose(reached[2] - reached[1], torch.tensor(0.02), atol=1e-6)


def test_warm_starts_an_image_that_it_has_not_seen_anywhere_in_the_ball(memory):
    plan = Plan(pgd, Ball(epsilon=0.2, steps=1, step_size=0.0))

    for x in (X, X + 0.1):
        warm(Line(), x, Y, plan, memory)

    moved = memory.tensors["x_adv"] - torch.cat([X, X + 0.1])
    assert (moved.abs() > 0).all()
    assert (moved.abs() <= 0.2 + 1e-6).all()
    assert not torch.allclose(moved[0], moved[1])


def masked(x: torch.Tensor) -> torch.Tensor:
    """Right on the first half of the ball, wrong beyond it: a single large step overshoots, small ones find it."""
    side = 50 * (0.02 - ((x[:, 0] - 0.53).abs()))
    return torch.stack([-side, side], 1)


def test_the_guard_notes_the_first_step_at_which_longer_attacks_win(memory):
    x, y = torch.full((8, 2), 0.5), Y.expand(8, 2)
    sure = torch.tensor([[5.0, -5.0]]).expand(8, 2)  # the model withstands what it is trained with

    for step in (98, 99, 199):
        memory.step = step
        look_for_overfitting(masked, x, y, sure, BALL, memory)

    assert memory.notes == {NOTE: 100}


def test_the_guard_is_silent_about_an_honest_model_and_draws_nothing(memory):
    x, y = torch.full((8, 2), 0.5), Y.expand(8, 2)
    model, before = Line(), memory.rng.get_state()
    memory.step = 99

    look_for_overfitting(model, x, y, model(x + torch.tensor([0.1, 0.0])), BALL, memory)

    assert not memory.notes
    assert torch.equal(before, memory.rng.get_state())


def test_a_label_of_a_class_that_is_not_the_greatest_is_boosted_by_the_greatest(memory):
    logits = torch.tensor([[2.0, 1.0, 0.0]])
    plan = Plan(pgd, Ball(epsilon=0), weight=1e-9)

    losses = [
        mart(lambda x: logits + 0 * x.sum(), X, F.one_hot(torch.tensor([k]), 3).float(), plan, memory).item()
        for k in range(3)
    ]

    p = logits.softmax(1)[0].tolist()
    others = [p[1], p[0], p[0]]
    assert losses == pytest.approx([-math.log(p[k]) - math.log(1 - others[k]) for k in range(3)], rel=1e-5)
