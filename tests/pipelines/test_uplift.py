import numpy as np
import pytest

from pipelines.recipes import DEFAULT, preset
from pipelines.training.arms import BASELINE, OURS
from pipelines.training.evaluation.uplift import ArmResult, verdict


def arm(name: str, robust: float, seeds: int = 5, size: int = 400) -> ArmResult:
    """An arm that is robust on the first share of the samples, for every seed."""
    flags = np.tile(np.arange(size) < robust * size, (seeds, 1))
    ones, clean = [1.0] * seeds, [95.0] * seeds
    return ArmResult(name, range(seeds), clean, [100 * robust] * seeds, ones, ones, ones, 1, 1.0, {}, [], flags)


def test_the_verdict_says_that_shards_pay_and_names_the_best_other_arm():
    said = verdict([arm(BASELINE, 0.7), arm("mixup", 0.75), arm("shift", 0.72), arm(OURS, 0.8)], DEFAULT)

    assert said.startswith("The shards pay: +10.0 points")
    assert "against the best other arm, mixup" in said
    assert "400 test samples, 5 seeds)" in said


def test_the_verdict_says_so_when_another_arm_does_as_well():
    said = verdict([arm(BASELINE, 0.7), arm("mixup", 0.8), arm(OURS, 0.8)], DEFAULT)

    assert said.startswith("The shards pay over real samples alone, though no more than another arm")


@pytest.mark.parametrize("ours", [0.7, 0.65])
def test_the_verdict_says_so_when_they_do_not(ours):
    said = verdict([arm(BASELINE, 0.7), arm("mixup", 0.75), arm(OURS, ours)], DEFAULT)

    assert said.startswith("The shards do not pay")


def test_a_rehearsal_says_that_its_figures_say_nothing_and_not_that_shards_pay():
    said = verdict([arm(BASELINE, 0.7), arm("mixup", 0.75), arm(OURS, 0.8)], preset("digits_quick"))

    assert said.startswith("These figures say nothing, as the recipe is for trying out the machinery")
    assert "shards" not in said
    assert "+10.0 points" in said


def test_one_seed_is_called_one_seed():
    said = verdict([arm(BASELINE, 0.7, 1), arm("mixup", 0.7, 1), arm(OURS, 0.8, 1)], DEFAULT)

    assert "one seed shows no spread" in said
