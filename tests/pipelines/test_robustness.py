"""A stored state is taken up by the same evaluation only."""

import torch

from data.records import Batch
from generators.options import Ball
from pipelines.training.evaluation.robustness import attacked
from pipelines.training.evaluation.suite import Trial

TRIALS = [Trial("pgd", "pgd", Ball(epsilon=0.1, steps=10, step_size=0.05, stop_early=True))]


def line(boundary: float):
    """Class 1 where the first pixel is above the boundary; right on both samples wherever it lies between them."""

    def model(x):
        side = 10 * (x.flatten(1)[:, 0] - boundary)
        return torch.stack([-side, side], 1)

    return model


def samples():
    x = torch.tensor([0.2, 0.8]).view(2, 1, 1, 1)
    return Batch(("a", "b"), {"image": x}, torch.tensor([0, 1]))


def test_another_model_with_the_same_answers_does_not_inherit_what_was_found(tmp_path):
    state = tmp_path / "state.safetensors"

    near = attacked(line(0.25), samples(), TRIALS, None, state, "near").broken_by.tolist()
    far = attacked(line(0.5), samples(), TRIALS, None, state, "far").broken_by.tolist()

    assert near == [0, -1]
    assert far == [-1, -1]


def test_the_same_evaluation_goes_on_where_it_was(tmp_path):
    state, calls = tmp_path / "state.safetensors", []

    def counted(x):
        calls.append(len(x))
        return line(0.25)(x)

    attacked(counted, samples(), TRIALS, None, state, "first")
    before = len(calls)
    again = attacked(counted, samples(), TRIALS, None, state, "again")

    assert again.broken_by.tolist() == [0, -1]
    assert len(calls) - before <= 2  # right or wrong, and who it is: no attack
