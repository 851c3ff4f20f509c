"""The suite narrows to what stands, trusts no attack, and ends alike however often it was stopped."""

import contextlib

import pytest
import torch

from data.errors import WrongUse
from generators.options import Ball
from pipelines.training.evaluation import suite
from pipelines.training.evaluation.suite import Trial

BALL = Ball(epsilon=0.1, steps=10, step_size=0.05, stop_early=True)


def wall(classes: int = 4):
    """Class 0 where the first pixel is below 0.5, class 1 above, others nowhere."""

    def model(x):
        side = 10 * (x.flatten(1)[:, 0] - 0.5)
        return torch.stack([-side, side, *(-8 - n + 0 * side for n in range(classes - 2))], 1)

    return model


def row_of_points(n: int = 40):
    """Points from 0.2 to 0.8, of which those within 0.1 of 0.5 can be broken, and the last label is wrong."""
    first = torch.linspace(0.203, 0.807, n)
    x = torch.stack([first, torch.full((n,), 0.5)], 1).view(n, 1, 1, 2)
    y = (first > 0.5).long()
    y[-1] = 0
    return x, y


def breakable(x):
    return ((x[:, 0, 0, 0] - 0.5).abs() < 0.1).tolist()


class Watched:
    """A model that notes how many rows it was asked about."""

    def __init__(self):
        self.model, self.rows = wall(), []

    def __call__(self, x):
        self.rows.append(len(x))
        return self.model(x)


def test_a_sample_is_robust_where_no_attack_breaks_it():
    x, y = row_of_points()

    done = suite.finish(suite.begin(wall(), x, y), suite.autoattack(BALL, 4), wall(), x, y)

    assert (done.broken_by >= 0).tolist() == [*breakable(x)[:-1], False]
    assert done.broken_by[-1] == -2
    assert (wall()(done.x_adv).argmax(1) == y).tolist() == [not b for b in breakable(x)[:-1]] + [False]


def test_what_one_attack_broke_the_next_does_not_see():
    x, y = row_of_points()
    watched = Watched()
    trials = [Trial("first", "pgd", BALL), Trial("second", "fgsm", BALL)]

    suite.finish(suite.begin(watched, x, y), trials, watched, x, y)

    standing = len(x) - 1 - sum(breakable(x)[:-1])
    assert watched.rows[-2:] == [standing, standing]  # the second attack's gradient, and what came of it


@pytest.mark.parametrize("stop_after", range(1, 12))
def test_an_evaluation_that_was_stopped_ends_like_one_that_was_not(stop_after, monkeypatch):
    monkeypatch.setattr(suite, "AT_ONCE", 15)
    x, y = row_of_points()
    trials = [Trial("weak", "fgsm", Ball(epsilon=0.03)), *suite.autoattack(BALL, 4, fast=True)]
    undisturbed = suite.finish(suite.begin(wall(), x, y), trials, wall(), x, y)
    kept = []

    def stop(standing):
        kept.append(suite.Standing(standing.x_adv.clone(), standing.broken_by.clone(), standing.trial, standing.batch))
        if len(kept) == stop_after:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        suite.finish(suite.begin(wall(), x, y), trials, wall(), x, y, after_batch=stop)
    resumed = suite.finish(kept[-1], trials, wall(), x, y)

    assert torch.equal(resumed.broken_by, undisturbed.broken_by)
    assert torch.equal(resumed.x_adv, undisturbed.x_adv)


def test_an_attack_that_leaves_its_ball_breaks_nothing(monkeypatch):
    def liar(model, x, y, ball, rng, y_target=None):
        return (x + 0.5).clamp(0, 1)

    monkeypatch.setattr(suite, "plugin", lambda *_: liar)
    x, y = row_of_points()

    done = suite.finish(suite.begin(wall(), x, y), [Trial("liar", "liar", BALL)], wall(), x, y)

    assert not (done.broken_by >= 0).any()


@pytest.mark.parametrize("classes", [2, 3, 4, 12])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_it_takes_any_number_of_classes(classes, norm):
    x, y = row_of_points(10)
    trials = suite.autoattack(Ball(epsilon=0.1, norm=norm), classes)[:-1]  # Square takes long, and knows no classes

    done = suite.finish(suite.begin(wall(classes), x, y), trials, wall(classes), x, y)

    assert (done.broken_by >= 0).tolist() == [*breakable(x)[:-1], False]


def test_transfer_attacks_the_surrogate_and_tries_the_model():
    x, y = row_of_points()
    trials = [trial for trial in suite.beyond_autoattack(BALL, surrogate=True) if trial.transfer]

    done = suite.finish(suite.begin(wall(), x, y), trials, wall(), x, y, surrogate=lambda x: 3 * wall()(x))

    assert (done.broken_by >= 0).tolist() == [*breakable(x)[:-1], False]


def test_transfer_without_a_surrogate_is_refused():
    x, y = row_of_points()

    with pytest.raises(ValueError, match="attacks a surrogate, and none was given"):
        suite.finish(suite.begin(wall(), x, y), [Trial("t", "pgd", BALL, transfer=True)], wall(), x, y)


def test_an_unknown_attack_is_named():
    x, y = row_of_points()

    with pytest.raises(WrongUse, match="no 'pgg' in generators/attacks"):
        suite.finish(suite.begin(wall(), x, y), [Trial("t", "pgg", BALL)], wall(), x, y)
