"""Every file of generators/checks gives a verdict a candidate, and each refuses what it is there for."""

import pytest
import torch

import generators.checks
from data.plugins import plugin, plugin_names
from generators.checks import Evidence, Witnesses, hear
from generators.margins import margins_of


@pytest.fixture
def evidence(candidates):
    """Judges sure of the label in row 0, of the other class in row 1, undecided in row 2, sure in the rest."""
    right = torch.tensor([0.9, 0.1, 0.5, 0.9, 0.9, 0.9, 0.9, 0.9])
    y = candidates.batch.labels
    probabilities = torch.stack([torch.where(y == k, right, 1 - right) for k in (0, 1)], 1)
    return Evidence(probabilities.repeat(3, 1, 1), torch.linspace(0, 1, 8), torch.linspace(0, 2, 8))


@pytest.mark.parametrize("name", plugin_names(generators.checks))
def test_it_gives_every_candidate_a_reason_of_its_own_name_or_none_and_a_score(name, candidates, evidence):
    verdict = plugin(generators.checks, name)(candidates, evidence, 0.6)

    assert set(verdict.reasons) <= {"", name}
    assert len(verdict.reasons) == len(verdict.scores[name]) == 8


@pytest.mark.parametrize(
    ("name", "threshold", "accepted"),
    [
        ("agreement", 0.6, [True, False, False, True, True, True, True, True]),
        ("margin_band", 2.0, [True, True, True, False, False, False, False, False]),
        ("realism", 0.5, [False, False, False, False, True, True, True, True]),
        ("near_duplicate", 0.5, [False, False, True, True, True, True, True, True]),
    ],
)
def test_it_refuses_what_it_is_there_for(name, threshold, accepted, candidates, evidence):
    verdict = plugin(generators.checks, name)(candidates, evidence, threshold)

    assert verdict.accepted.tolist() == accepted


def test_a_margin_that_is_no_number_is_refused(candidates, evidence):
    candidates.margins[0] = float("nan")

    assert not plugin(generators.checks, "margin_band")(candidates, evidence, 2.0).accepted[0]


def test_witnesses_see_copies_wrong_labels_and_poor_fakes(half_plane, real):
    def discriminator(x, y):
        return margins_of(half_plane(x), y)

    witnesses = Witnesses([half_plane, half_plane], discriminator, real, real.rows(torch.arange(4)))
    wrong = type(real)(real.keys, real.inputs, 1 - real.labels)

    on_copies, on_wrong = hear(witnesses, real), hear(witnesses, wrong)

    assert on_copies.closeness.nan_to_num(0.0).max() == 0
    assert (on_copies.soft_labels.argmax(1) == real.labels).all()
    assert (on_wrong.soft_labels.argmax(1) != wrong.labels).all()
    assert on_wrong.realism.max() == 0
