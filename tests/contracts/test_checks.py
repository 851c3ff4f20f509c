"""Every file of generators/checks gives a verdict a candidate, and each refuses what it is there for."""

from dataclasses import replace

import pytest
import torch

import generators.checks
from data.plugins import plugin, plugin_names
from generators.checks import Evidence, Witnesses, come_back, hear, press
from generators.margins import margins_of
from generators.options import Ball


@pytest.fixture
def evidence(candidates):
    """Judges sure of the label in row 0, of the other class in row 1, undecided in row 2, sure in the rest."""
    right = torch.tensor([0.9, 0.1, 0.5, 0.9, 0.9, 0.9, 0.9, 0.9])
    y = candidates.batch.labels
    probabilities = torch.stack([torch.where(y == k, right, 1 - right) for k in (0, 1)], 1)
    spread = torch.linspace(0, 1, 8)
    judged, back = probabilities.repeat(3, 1, 1), probabilities.repeat(2, 1, 1)
    return Evidence(judged, spread, 2 * spread, 2 * spread - 1, spread, back)


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
        ("distance", 0.6, [True, True, True, False, False, False, False, False]),
        ("robust_margin", 0.0, [True, True, True, True, False, False, False, False]),
        ("confidence", 0.6, [True, False, False, True, True, True, True, True]),
        ("cycle_error", 0.5, [True, True, True, True, False, False, False, False]),
        ("back_agreement", 0.6, [True, False, False, True, True, True, True, True]),
        ("class_balance", 0.5, [True, False, False, True, True, True, False, False]),
    ],
)
def test_it_refuses_what_it_is_there_for(name, threshold, accepted, candidates, evidence):
    verdict = plugin(generators.checks, name)(candidates, evidence, threshold)

    assert verdict.accepted.tolist() == accepted


def test_the_margin_under_attack_is_that_of_the_worst_point_of_the_ball(candidates, half_plane):
    ball = Ball(0.1, steps=3, step_size=0.1, random_start=False)

    found = press(half_plane, candidates, ball, torch.Generator())

    within_reach = torch.minimum(torch.tensor(0.1), _room(candidates))
    clean = margins_of(half_plane(candidates.batch.inputs["image"]), candidates.batch.labels)
    assert torch.allclose(found, clean - 20 * within_reach, atol=1e-3)


def _room(candidates):
    """How far the first pixel can go to the wrong side before it leaves [0, 1]."""
    first = candidates.batch.inputs["image"].flatten(1)[:, 0]
    return torch.where(candidates.batch.labels == 0, 1 - first, first)


def test_margins_under_attack_that_nobody_measured_are_an_error(candidates, evidence):
    unasked = replace(evidence, robust_margins=torch.empty(0))

    with pytest.raises(ValueError, match="needs a margin under attack for each of 8 candidates"):
        plugin(generators.checks, "robust_margin")(candidates, unasked, 0.0)


@pytest.mark.parametrize("name", ["cycle_error", "back_agreement"])
def test_a_way_back_that_nobody_went_is_an_error(name, candidates, evidence):
    unasked = replace(evidence, cycle_errors=torch.empty(0), back_probabilities=torch.empty(0))

    with pytest.raises(ValueError, match=f"{name} needs evidence of 8 candidates, got it of 0"):
        plugin(generators.checks, name)(candidates, unasked, 0.5)


def test_a_translation_is_compared_with_its_start_and_anything_else_with_itself(
    candidates, translation, half_plane, rng
):
    x = candidates.batch.inputs["image"]
    there = replace(candidates, batch=replace(candidates.batch, inputs={"image": translation.forth(x, rng)}))

    errors, _ = come_back(translation, [half_plane], replace(there, search="translate"), rng)
    lost, seen = come_back(translation, [half_plane], there, rng)

    # The last pixel is turned and turned back, and noise is added to one of four pixels, twice in either case.
    assert 0 < errors.mean() < 0.1
    assert 0 < lost.mean() < 0.1
    assert (come_back(translation, [half_plane], replace(candidates, search="translate"), rng)[0] > 0.05).any()
    assert (seen.argmax(2) == candidates.batch.labels).all()
    assert seen.shape == (1, 8, 2)


def test_evidence_of_some_candidates_is_all_of_it(evidence):
    some = evidence.rows(torch.arange(8) < 3)

    assert [len(part) for part in (some.realism, some.robust_margins, some.cycle_errors)] == [3, 3, 3]
    assert some.back_probabilities.shape == (2, 3, 2)


def test_a_margin_that_is_no_number_is_refused(candidates, evidence):
    candidates.margins[0] = float("nan")

    assert not plugin(generators.checks, "margin_band")(candidates, evidence, 2.0).accepted[0]


def test_one_judge_who_is_sure_of_another_class_outweighs_two_who_lean_to_the_label(candidates):
    sure, leaning = torch.tensor([0.001, 0.999]), torch.tensor([0.8, 0.2])
    split = torch.stack([sure, leaning, leaning])[:, None].expand(-1, 8, -1)
    evidence = Evidence(split, torch.ones(8), torch.ones(8))
    zeros = replace(candidates, batch=replace(candidates.batch, labels=torch.zeros(8, dtype=torch.long)))

    assert evidence.soft_labels.argmax(1).eq(0).all()
    assert not plugin(generators.checks, "agreement")(zeros, evidence, 0.5).accepted.any()
    assert not plugin(generators.checks, "confidence")(zeros, evidence, 0.5).accepted.any()
    assert torch.allclose(evidence.consensus.sum(1), torch.ones(8))


def test_soft_labels_are_the_judges_mean_and_a_temperature_makes_them_softer_without_changing_a_choice(evidence):
    hot, cold = evidence.softened(3.0), evidence.softened(0.2)

    torch.testing.assert_close(evidence.softened(1.0), evidence.soft_labels)
    assert (hot.amax(1) < evidence.soft_labels.amax(1)).sum() == 7  # all but the row that is undecided already
    assert (cold.amax(1) > evidence.soft_labels.amax(1)).sum() == 7
    odds = 0.9 ** (1 / 3) / (0.9 ** (1 / 3) + 0.1 ** (1 / 3))
    assert hot.amax(1)[0].item() == pytest.approx(odds)


@pytest.mark.parametrize(("name", "length"), [("in_linf_ball", 1.0), ("in_l2_ball", 2.0)])
def test_a_perturbation_is_refused_outside_its_ball_and_rounding_is_allowed_for(name, length, candidates, evidence):
    moved = torch.tensor([0.0, 0.1, 0.2, 0.2 + 0.4 / 255, 0.2 + 0.6 / 255, 0.3, 0.9, 0.9])
    starts = {"image": torch.zeros(8, 1, 2, 2)}
    batch = replace(candidates.batch, inputs={"image": moved[:, None, None, None].expand(-1, 1, 2, 2)})
    parents = (("one",),) * 6 + ((), ("one", "two"))  # the last two claim no ball
    made = replace(candidates, batch=batch, starts=starts, parents=parents)

    verdict = plugin(generators.checks, name)(made, evidence, 0.2 * length)

    assert verdict.accepted.tolist() == [True, True, True, True, False, False, True, True]
    torch.testing.assert_close(verdict.scores[name], moved * length)


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
