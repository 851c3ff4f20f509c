import pytest
import torch

from data.loader import Pool
from generators.balls import Ball
from pipelines.training.classifier import ClassifierShape
from pipelines.training.fit import FitOptions, fit
from pipelines.training.judges import JudgeOptions, blended, fit_judge
from pipelines.training.processes import in_worker, workers

SHAPE = ClassifierShape(channels=1, height=4, width=4, classes=2)
BALL = Ball(epsilon=0.05, steps=2, step_size=0.03)
OPTIONS = FitOptions(steps=60, features=2, batch_size=16, learning_rate=1e-2, ball=BALL)


def halves(n: int = 40) -> Pool:
    """Class 0 is bright on the left, class 1 on the right."""
    labels = torch.arange(n) % 2
    images = torch.zeros(n, 1, 4, 4, dtype=torch.uint8)
    images[labels == 0, :, :, :2] = 200
    images[labels == 1, :, :, 2:] = 200
    return Pool(images, torch.nn.functional.one_hot(labels, 2).float())


def test_a_fitted_classifier_tells_the_halves_apart_within_its_ball():
    pool = halves()

    model = fit(blended(pool, 16, seed=0), SHAPE, OPTIONS, 0, "test")

    assert (model(pool.images.float() / 255).argmax(1) == pool.soft_labels.argmax(1)).all()
    assert not any(p.requires_grad for p in model.parameters())


def test_the_same_seed_gives_the_same_weights_and_leaves_the_global_random_numbers_alone():
    before = torch.random.get_rng_state()

    one, two, other = (fit(blended(halves(), 16, 0), SHAPE, OPTIONS, seed, "test") for seed in (1, 1, 2))

    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.head.weight, other.head.weight)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_judge_never_sees_its_own_fold():
    pool = halves(42)
    pool.images[torch.arange(42) % 3 == 1] = 255  # fold 1 is poisoned: all white

    seen = set()
    batches = blended(Pool(pool.images[torch.arange(42) % 3 != 1], pool.soft_labels[torch.arange(42) % 3 != 1]), 16, 0)
    for step in range(20):
        seen |= set(batches(step)[0].amin((1, 2, 3)).tolist())
    judge = fit_judge(pool, 1, SHAPE, JudgeOptions(fit=OPTIONS), seed=0)
    clean = fit_judge(halves(42), 1, SHAPE, JudgeOptions(fit=OPTIONS), seed=0)

    assert 1.0 not in seen
    assert all(torch.equal(a, b) for a, b in zip(judge.parameters(), clean.parameters(), strict=True))


def square(number: int) -> int:
    return number * number


def fail(number: int) -> int:
    raise ValueError(f"no {number}")


def killed(number: int) -> int:
    import os
    import signal

    os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_work_is_done_in_workers_and_errors_come_back():
    with workers(1):
        result, seconds = in_worker(square, 7)
        assert result == 49
        assert 0 <= seconds < 10
        with pytest.raises(ValueError, match="no 7"):
            in_worker(fail, 7)


def test_a_killed_worker_is_said_and_not_waited_for():
    with workers(1), pytest.raises(RuntimeError, match="the process that did killed was killed"):
        in_worker(killed, 7)


def test_without_workers_there_is_a_clear_error():
    with pytest.raises(RuntimeError, match="open `workers` block"):
        in_worker(square, 7)
