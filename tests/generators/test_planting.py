"""Planted errors and the thresholds chosen on them, where the right answer is known on paper."""

from dataclasses import replace

import pytest
import torch

from data.records import Batch, Candidates
from generators.checks import Evidence
from generators.checks.agreement import agreement
from generators.checks.near_duplicate import near_duplicate
from generators.margins import margins_of
from generators.options import SearchOptions
from generators.planting import plant
from generators.search.interpolate import interpolate
from generators.search.perturb import perturb
from generators.search.random_latent import random_latent
from generators.thresholds import choose

Y = torch.arange(200) % 2


def test_a_perturbed_sample_comes_under_its_parents_label_and_under_the_class_across(scene, rng):
    found = plant(perturb(scene, Y, SearchOptions(epsilon=0.1), rng), scene.real, scene.model)

    y = found.candidates.batch.labels
    assert found.right.tolist() == [True] * 200 + [False] * 200
    assert torch.equal(y[found.right], Y)
    assert torch.equal(y[~found.right], 1 - Y)  # the half-plane has two classes
    assert torch.equal(found.candidates.margins, margins_of(scene.model(found.candidates.batch.inputs["image"]), y))


@pytest.mark.parametrize(("share", "shows"), [(0.1, 0), (0.5, None), (0.9, 1)])
def test_a_mixture_shows_the_parent_that_it_has_most_of_or_neither(share, shows, scene):
    real = scene.real
    mixed = torch.lerp(real.inputs["image"][:1], real.inputs["image"][1:2], share)
    batch = Batch(("mixed",), {"image": mixed}, real.labels[:1])
    zero = torch.zeros(1)
    made = Candidates(batch, "interpolate", ((real.keys[0], real.keys[1]),), {"image": mixed}, zero, zero)

    found = plant(made, real, scene.model)

    labels = [] if shows is None else [int(real.labels[shows]), int(real.labels[1 - shows])]
    assert found.candidates.batch.labels.tolist() == labels


def test_what_has_no_parents_is_left_out(scene, rng):
    assert len(plant(random_latent(scene, Y, SearchOptions(), rng), scene.real, scene.model).right) == 0


def test_mixtures_under_a_wrong_label_are_not_what_they_mostly_show(scene, rng):
    made = interpolate(scene, Y, SearchOptions(), rng)

    found = plant(made, scene.real, scene.model)

    first = found.candidates.batch.inputs["image"][:, 0, 0, 0]
    shows = (first > 0.5).long()  # the first pixel is the class, and mixes as the sample does
    assert torch.equal(shows == found.candidates.batch.labels, found.right)


def evidence_of(probability):
    """Evidence of one judge on two classes, from the probability of class 0."""
    return Evidence(torch.stack([probability, 1 - probability], 1)[None], probability, probability)


def some(n, candidates):
    zero = torch.zeros(n)
    x = torch.zeros(n, 1, 2, 2)
    batch = Batch(tuple(map(str, range(n))), {"image": x}, torch.zeros(n, dtype=torch.long))
    return replace(candidates, batch=batch, parents=((),) * n, starts={"image": x}, margins_before=zero, margins=zero)


def test_the_threshold_is_the_loosest_that_keeps_the_error_to_the_rate(candidates):
    probability = torch.tensor([0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6])
    right = torch.tensor([True, True, True, False, True, True, True, False])

    def chosen(rate):
        return choose(agreement, some(8, candidates), evidence_of(probability), right, wrong=0.25, rate=rate)

    assert chosen(0.0).threshold == pytest.approx(0.85)
    assert chosen(1 / 7).threshold == pytest.approx(0.65)
    assert (chosen(1 / 7).kept, chosen(1 / 7).caught) == (1.0, 0.5)
    assert chosen(0.5).threshold == pytest.approx(0.6)


def test_the_error_is_what_it_were_with_as_many_wrong_ones_as_supposed(candidates):
    probability, right = torch.tensor([0.9, 0.8, 0.7, 0.6]), torch.tensor([True, False, True, False])

    def chosen(wrong):
        return choose(agreement, some(4, candidates), evidence_of(probability), right, wrong=wrong, rate=0.2)

    assert chosen(0.2).threshold == pytest.approx(0.6)  # all are kept: one in five is wrong
    assert chosen(0.2).error == pytest.approx(0.2)
    assert chosen(0.3).threshold == pytest.approx(0.7)  # half the wrong, all the right: 0.15 of 0.85
    assert chosen(0.3).error == pytest.approx(0.15 / 0.85)


def test_no_threshold_is_chosen_where_none_is_strict_enough(candidates):
    probability = torch.tensor([0.9, 0.8])

    found = choose(
        agreement, some(2, candidates), evidence_of(probability), torch.tensor([False, True]), wrong=0.2, rate=0.1
    )

    assert found is None


def test_a_check_of_any_kind_gets_its_threshold(candidates):
    closeness = torch.tensor([0.1, 0.2, 0.8, 0.9])

    right = torch.tensor([False, False, True, True])
    found = choose(near_duplicate, some(4, candidates), evidence_of(closeness), right, wrong=0.2, rate=0.0)

    assert found.threshold == pytest.approx(0.8)
    assert (found.kept, found.caught, found.error) == (1.0, 1.0, 0.0)
