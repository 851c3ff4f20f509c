"""Joint models, against logarithms done on paper."""

import math

import pytest
import torch

from generators.ensembles import joint
from generators.margins import margins_of


def always(*logits):
    return lambda x: torch.tensor([logits]).expand(len(x), -1)


def test_a_single_model_keeps_its_margins(half_plane):
    x, y = torch.rand(20, 1, 2, 2), torch.arange(20) % 2

    assert torch.allclose(margins_of(joint([half_plane])(x), y), margins_of(half_plane(x), y), atol=1e-5)


def test_probabilities_are_averaged_so_that_large_logits_have_one_vote():
    calm, loud = always(math.log(3), 0.0), always(0.0, 1000.0)

    found = joint([calm, calm, calm, loud])(torch.zeros(1, 1)).exp()

    assert torch.allclose(found, torch.tensor([[0.75 * 0.75, 0.25 * 0.75 + 0.25]]))


def test_two_models_with_boundaries_apart_have_theirs_in_between():
    def errs_above(place):
        return lambda x: torch.cat([5 * (place - x), 5 * (x - place)], 1)

    both = joint([errs_above(0.2), errs_above(0.6)])

    assert margins_of(both(torch.tensor([[0.4]])), torch.tensor([0])).abs().item() < 1e-5


def test_an_ensemble_of_nobody_is_refused():
    with pytest.raises(ValueError, match="an ensemble needs a model"):
        joint([])
