from dataclasses import replace

import pytest
import torch

from data.loader import Pool
from data.records import Batch
from generators.options import Ball
from pipelines.training.fitting.fit import Beside, fit
from pipelines.training.fitting.judges import blended, fit_judge
from pipelines.training.fitting.options import FitOptions, JudgeOptions
from pipelines.training.fitting.watch import WatchOptions, look
from pipelines.training.models.classifier import ClassifierShape
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

    model = fit(blended(pool, 16, seed=0), SHAPE, OPTIONS, 0, "test").model

    assert (model(pool.images.float() / 255).argmax(1) == pool.soft_labels.argmax(1)).all()
    assert not any(p.requires_grad for p in model.parameters())


def test_the_same_seed_gives_the_same_weights_and_leaves_the_global_random_numbers_alone():
    before = torch.random.get_rng_state()

    one, two, other = (fit(blended(halves(), 16, 0), SHAPE, OPTIONS, seed, "test").model for seed in (1, 1, 2))

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


def test_a_watched_training_keeps_the_weights_of_its_best_look_and_says_which(monkeypatch):
    pool, marks = halves(), {20: 0.5, 40: 0.8, 60: 0.6}
    seen = {}

    def planted(model, held_out, ball, options):
        seen[len(seen)] = model.head.weight.clone()
        return list(marks.values())[len(seen) - 1]

    monkeypatch.setattr("pipelines.training.fitting.fit.look", planted)
    options = replace(OPTIONS, watch=WatchOptions(every=20))

    fitted = fit(blended(pool, 16, 0), SHAPE, options, 0, "test", Beside(as_batch(pool)))

    assert torch.equal(fitted.model.head.weight, seen[1])
    assert fitted.facts["kept_step"] == 40
    assert fitted.facts["looks"] == [(20, 0.5), (40, 0.8), (60, 0.6)]


def test_without_a_watch_the_last_weights_are_kept_and_held_out_samples_change_nothing():
    pool = halves()

    one, two = (fit(blended(pool, 16, 0), SHAPE, OPTIONS, 0, "test", Beside(held)) for held in (None, as_batch(pool)))

    assert one.facts == two.facts
    assert one.facts["kept_step"] == OPTIONS.steps
    assert "looks" not in one.facts
    assert torch.equal(one.model.head.weight, two.model.head.weight)


def test_watching_changes_no_step_of_the_training():
    pool, watch = halves(), WatchOptions(every=OPTIONS.steps)

    plain = fit(blended(pool, 16, 0), SHAPE, OPTIONS, 0, "test")
    watched = fit(blended(pool, 16, 0), SHAPE, replace(OPTIONS, watch=watch), 0, "test", Beside(as_batch(pool)))

    assert torch.equal(plain.model.head.weight, watched.model.head.weight)


def as_batch(pool: Pool) -> Batch:
    keys = tuple(str(number) for number in range(len(pool)))
    return Batch(keys, {"image": pool.images.float() / 255}, pool.soft_labels.argmax(1))


def test_a_look_counts_samples_that_are_right_at_x_and_wherever_the_attack_went():
    x = torch.tensor([0.2, 0.49, 0.55, 0.9, 0.8]).view(5, 1, 1, 1)
    batch = Batch(tuple("abcde"), {"image": x}, torch.tensor([0, 0, 1, 1, 0]))  # two within reach, one plainly wrong
    model = torch.nn.Linear(1, 2)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[-10.0], [10.0]]))
        model.bias.copy_(torch.tensor([5.0, -5.0]))

    found = look(torch.nn.Sequential(torch.nn.Flatten(), model), batch, Ball(epsilon=0.1), WatchOptions(every=1))

    assert found == pytest.approx(2 / 5)


def test_smoothing_spreads_a_share_of_each_label():
    pool = halves()

    def told(options: FitOptions) -> float:
        model = fit(blended(pool, 16, 0), SHAPE, options, 0, "test").model
        return model(pool.images.float() / 255).softmax(1).amax(1).mean().item()

    assert told(replace(OPTIONS, smoothing=0.6)) < 0.8 < told(OPTIONS)


def test_the_ball_grows_to_its_size_over_the_ramp(monkeypatch):
    seen = []

    def spying(model, x, y, plan, memory):
        seen.append((plan.ball.epsilon, plan.ball.step_size))
        return model(x).sum()

    monkeypatch.setattr("pipelines.training.fitting.objectives.madry.madry", spying)
    options = replace(OPTIONS, steps=8, ramp=0.5, ball=Ball(epsilon=0.4, step_size=0.1))

    fit(blended(halves(), 16, 0), SHAPE, options, 0, "test")

    assert [epsilon for epsilon, _ in seen] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4, 0.4, 0.4])
    assert [size for _, size in seen] == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.1, 0.1, 0.1])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"objective": "madri"}, "no 'madri' in pipelines/training/fitting/objectives: did you mean madry"),
        ({"attack": "pdg"}, "no 'pdg' in generators/attacks"),
        ({"weight": -1.0}, "weight must be >= 0, got -1.0"),
        ({"weight": float("nan")}, "weight must be >= 0, got nan"),
        ({"smoothing": 1.5}, r"smoothing must lie in \[0, 1\], got 1.5"),
        ({"ramp": -0.1}, r"ramp must lie in \[0, 1\], got -0.1"),
        ({"replays": 0}, "replays must be >= 1, got 0"),
        ({"device": "gpu"}, "device must be what torch calls one, got 'gpu'"),
    ],
)
def test_a_wrong_option_is_refused_before_any_work(wrong, said):
    with pytest.raises(ValueError, match=said):
        FitOptions(**wrong)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"every": -1}, "watch.every must be >= 0, got -1"),
        ({"steps": 0}, "watch.steps must be >= 1, got 0"),
        ({"attack": "pdg"}, "no 'pdg' in generators/attacks"),
    ],
)
def test_a_wrong_option_of_the_watch_is_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        WatchOptions(**wrong)


def test_judges_refuse_to_stop_early():
    with pytest.raises(ValueError, match=r"judges.fit.watch.every must be 0, got 50"):
        JudgeOptions(fit=FitOptions(watch=WatchOptions(every=50)))
