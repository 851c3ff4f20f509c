"""Temperatures of classifiers whose honesty is known on paper."""

import pytest
import torch

from pipelines.training.fitting.calibration import calibrate, calibration_error, temperature_of
from pipelines.training.models.classifier import Classifier, ClassifierShape


def drawn(logits, rng):
    """Labels that follow the softmax of logits, int64 (N,)."""
    return torch.multinomial(logits.softmax(1), 1, generator=rng)[:, 0]


@pytest.mark.parametrize("scale", [0.2, 1.0, 5.0])
def test_the_temperature_undoes_a_scale_of_honest_logits(scale, rng):
    honest = 2 * torch.randn(20000, 5, generator=rng)
    y = drawn(honest, rng)

    assert temperature_of(honest * scale, y) == pytest.approx(scale, rel=0.05)


def test_two_classes_that_are_right_three_times_in_four_get_the_temperature_found_on_paper():
    logits = torch.tensor([[2.0, 0.0]]).repeat(4, 1)

    assert temperature_of(logits, torch.tensor([0, 0, 0, 1])) == pytest.approx(2 / torch.tensor(3.0).log().item())


def test_samples_that_are_all_right_or_all_wrong_get_the_end_of_the_range():
    logits = torch.tensor([[0.2, 0.0], [0.3, 0.0]])

    assert temperature_of(logits, torch.tensor([0, 0])) == pytest.approx(1 / 50)
    assert temperature_of(logits, torch.tensor([1, 1])) == pytest.approx(50)


def test_the_calibration_error_is_the_gap_between_confidence_and_accuracy():
    sure = torch.tensor([[0.9, 0.1]]).repeat(10, 1)

    assert calibration_error(sure, torch.tensor([0] * 9 + [1])) == pytest.approx(0, abs=1e-6)
    assert calibration_error(sure, torch.tensor([0] * 5 + [1] * 5)) == pytest.approx(0.4)
    half_right = torch.tensor([[1.0, 0.0], [0.6, 0.4]])
    assert calibration_error(half_right, torch.tensor([0, 1])) == pytest.approx((0 + 0.6) / 2)


def test_a_calibrated_classifier_is_less_wrong_about_itself_and_changes_no_choice(rng):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Classifier(ClassifierShape(1, 4, 4, 3, 4)).eval().requires_grad_(False)
    x = torch.rand(2000, 1, 4, 4, generator=rng)
    y = drawn(40 * model(x), rng)
    before = model(x)

    found = calibrate(model, x, y)

    torch.testing.assert_close(model(x), before / found.temperature)
    assert found.nll < found.nll_before
    assert found.ece < found.ece_before
    assert torch.equal(model(x).argmax(1), before.argmax(1))
