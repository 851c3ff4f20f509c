"""A training that is killed goes on to the bit."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from data.errors import Damaged
from data.loader import Pool
from data.records import Batch
from generators.options import Ball
from pipelines.training.fitting.fit import Beside, fit
from pipelines.training.fitting.judges import blended
from pipelines.training.fitting.options import FitOptions
from pipelines.training.fitting.underway import Checkpoint
from pipelines.training.fitting.watch import WatchOptions
from pipelines.training.models import checkpoints
from pipelines.training.models.classifier import ClassifierShape, save_classifier
from pipelines.training.processes import in_worker, workers

SHAPE = ClassifierShape(channels=1, height=4, width=4, classes=2)
BALL = Ball(epsilon=0.05, steps=1, step_size=0.05)
OPTIONS = FitOptions(steps=240, features=2, batch_size=8, ball=BALL, watch=WatchOptions(every=70, steps=2))


def noise(n: int = 40) -> Pool:
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(256, (n, 1, 4, 4), generator=rng).to(torch.uint8)
    return Pool(images, torch.nn.functional.one_hot(torch.arange(n) % 2, 2).float())


def held_out(pool: Pool) -> Batch:
    keys = tuple(str(number) for number in range(len(pool)))
    return Batch(keys, {"image": pool.images.float() / 255}, pool.soft_labels.argmax(1))


def train(options: FitOptions, folder: Path, out: str, killed_at: int = -1) -> dict[str, object]:
    """Train on noise into `out`, ending hard at a step."""
    pool = noise()
    batches = blended(pool, options.batch_size, seed=0)

    def until(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        if step == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if not killed_at:
            assert step >= 200, "began anew"
        return batches(step)

    checkpoint = Checkpoint(folder / "training.checkpoint", {"seed": 0})
    fitted = fit(until, SHAPE, options, 0, "test", Beside(held_out(pool), checkpoint))
    save_classifier(folder / out, fitted.model)
    return fitted.facts


@pytest.mark.parametrize("objective", ["madry", "free", "warm"])
def test_a_training_killed_and_taken_up_again_ends_with_the_same_bytes_and_facts(objective, tmp_path):
    options = replace(OPTIONS, objective=objective)
    whole = train(options, tmp_path, "whole.safetensors")
    (tmp_path / "training.checkpoint").unlink()

    with workers(1), pytest.raises(RuntimeError, match="was killed"):
        in_worker(train, options, tmp_path, "cut.safetensors", 220)
    resumed = train(options, tmp_path, "cut.safetensors", killed_at=0)

    assert (tmp_path / "cut.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()
    assert resumed == whole


def test_a_checkpoint_of_another_origin_is_passed_over(tmp_path):
    options = replace(OPTIONS, steps=210)
    train(options, tmp_path, "one.safetensors")
    other, seen = Checkpoint(tmp_path / "training.checkpoint", {"seed": 1}), []

    def noted(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(step)
        return blended(noise(), 8, 0)(step)

    fit(noted, SHAPE, replace(options, steps=2), 0, "test", Beside(None, other))

    assert seen == [0, 1]


def test_a_checkpoint_that_holds_something_else_is_said_to_be_damaged(tmp_path):
    checkpoints.save(tmp_path / "training.checkpoint", {"step": torch.tensor(3)}, {"origin": {"seed": 0}})

    with pytest.raises(Damaged, match="no state of this training"):
        train(OPTIONS, tmp_path, "never.safetensors")
