"""Mining, with planted samples that ought to come first."""

from dataclasses import replace

import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from data.records import Batch
from generators.checks import Evidence
from generators.checks.agreement import agreement
from generators.checks.margin_band import margin_band
from generators.checks.near_duplicate import near_duplicate
from generators.hardness import hardness, unseen_probabilities
from generators.neighbours import soft_neighbours
from generators.options import SearchOptions
from generators.search import Scene
from generators.search.mine import mine

FOLDS = 3
WRONG, AMBIGUOUS = range(10), range(10, 20)
"""Rows that are planted."""


@pytest.fixture(scope="module")
def planted() -> Batch:
    """300 digits; ten have the next class's label, ten are half way to a digit of another class."""
    bunch = load_digits()
    rows = torch.randperm(len(bunch.target), generator=torch.Generator().manual_seed(0))[:300]
    x, y = torch.tensor(bunch.images, dtype=torch.float32)[rows, None] / 16, torch.tensor(bunch.target)[rows]
    y[list(WRONG)] = (y[list(WRONG)] + 1) % 10
    strangers = [int((y != y[row]).nonzero()[-row]) for row in AMBIGUOUS]
    x[list(AMBIGUOUS)] = (x[list(AMBIGUOUS)] + x[strangers]) / 2
    return Batch(tuple(f"digit-{i}" for i in range(300)), {"image": x}, y)


@pytest.fixture(scope="module")
def judges(planted):
    """Logistic regressions, each without the samples of its fold."""
    folds = torch.arange(len(planted)) % FOLDS
    x, y = planted.inputs["image"].flatten(1).numpy(), planted.labels.numpy()
    fitted = [LogisticRegression(C=0.3, max_iter=500).fit(x[folds != f], y[folds != f]) for f in range(FOLDS)]

    def judge(one):
        weights, bias = torch.tensor(one.coef_).float(), torch.tensor(one.intercept_).float()
        return lambda x: x.flatten(1) @ weights.T + bias

    return [judge(one) for one in fitted]


@pytest.fixture(scope="module")
def scene(planted, judges) -> Scene:
    """Its model has learnt the samples by heart, wrong labels too."""
    by_heart = soft_neighbours(planted.inputs["image"], planted.labels, 10)
    return Scene(lambda x: 100 * by_heart(x), by_heart, 1, planted, judges=judges)


def ranked(planted, judges, by):
    return hardness(unseen_probabilities(planted, judges), planted.labels, by).argsort(descending=True).tolist()


def test_planted_mislabelled_and_ambiguous_samples_rank_first(planted, judges):
    first = ranked(planted, judges, "margin")[:60]

    assert len(set(first[:20]) & set(WRONG)) >= 9
    assert len(set(first) & set(AMBIGUOUS)) >= 5  # by chance two


def test_by_entropy_the_ambiguous_come_first_and_wrong_labels_do_not(planted, judges):
    first = set(ranked(planted, judges, "entropy")[:60])

    assert len(first & set(AMBIGUOUS)) >= 5
    assert len(first & set(WRONG)) <= 3


def test_by_any_measure_both_are_among_the_first(planted, judges):
    first = set(ranked(planted, judges, "any")[:60])

    assert len(first & set(WRONG)) >= 8
    assert len(first & set(AMBIGUOUS)) >= 6


def test_disagreement_is_of_models_and_not_of_classes():
    agreed = torch.tensor([[0.5, 0.5], [0.5, 0.5]])
    split = torch.tensor([[0.9, 0.1], [0.1, 0.9]])
    probabilities = torch.stack([agreed, split], 1)

    assert hardness(probabilities, torch.tensor([0, 0]), "disagreement").tolist() == [0.0, 1.0]


def test_each_sample_is_judged_by_the_one_that_left_it_out(planted):
    asked = [[], [], []]
    spies = [lambda x, fold=fold: asked[fold].append(x) or torch.zeros(len(x), 10) for fold in range(FOLDS)]

    unseen_probabilities(planted, spies)

    x = planted.inputs["image"]
    assert all(torch.equal(asked[fold][0], x[fold::FOLDS]) for fold in range(FOLDS))


def test_mining_draws_the_hardest_most_often(scene, rng):
    found = mine(scene, torch.arange(1000) % 10, SearchOptions(), rng)

    hard = hardness(scene.unseen, scene.real.labels, "margin")
    share = {key: value.item() for key, value in zip(scene.real.keys, hard, strict=True)}
    drawn = torch.tensor([share[parents[0]] for parents in found.parents])
    assert drawn.mean() > 0.75


def test_mined_samples_pass_the_checks_that_ask_for_new_ones_and_wrong_labels_do_not_pass_agreement(scene, rng):
    found = mine(scene, torch.arange(400) % 10, SearchOptions(), rng)
    probabilities = torch.stack([scene.unseen[:, scene.real.keys.index(p[0])] for p in found.parents], 1)
    evidence = Evidence(probabilities, torch.ones(400), torch.zeros(400))

    assert found.margins.abs().min() > 1  # the attacked model is sure of what it has trained on
    assert near_duplicate(found, evidence, 0.5).accepted.all()
    assert margin_band(found, evidence, 1.0).accepted.all()
    assert not near_duplicate(replace(found, as_is=False), evidence, 0.5).accepted.any()
    wrong = {scene.real.keys[row] for row in WRONG}
    drawn = torch.tensor([parents[0] in wrong for parents in found.parents])
    assert drawn.any()
    assert not (agreement(found, evidence, 0.5).accepted & drawn).any()


def test_mining_without_judges_is_refused(scene, rng):
    with pytest.raises(ValueError, match="mining needs judges"):
        mine(Scene(scene.model, scene.generator, 1, scene.real), torch.tensor([0]), SearchOptions(), rng)
