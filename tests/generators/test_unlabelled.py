"""Unlabelled samples: whose opinion names them, how often each is asked about, what happens where there are too few."""

from dataclasses import replace

import pytest
import torch

from data.records import Unlabelled
from generators.checks import Evidence
from generators.checks.agreement import agreement
from generators.options import SearchOptions
from generators.search.unlabelled import unlabelled


def test_the_judges_name_a_sample_not_the_model_under_attack(scene, rng):
    contrary = replace(scene, model=lambda x: -scene.model(x))

    found = unlabelled(contrary, torch.arange(60) % 2, SearchOptions(), rng)

    bright = found.batch.inputs["image"][:, 0, 0, 0] > 0.5
    assert torch.equal(bright, found.batch.labels == 1)
    assert (found.margins < 0).all()  # of the model, which is wrong on each


def test_no_sample_comes_twice_and_each_is_as_it_is(scene, rng):
    found = unlabelled(scene, torch.arange(120) % 2, SearchOptions(), rng)

    assert len(set(found.parents)) == 120
    assert torch.equal(found.batch.inputs["image"], found.starts["image"])
    assert not found.as_is  # hardness and newness are asked of it


def test_only_those_asked_about_are_read_and_each_once(scene, rng):
    read = []
    pool = scene.unlabelled
    many = Unlabelled(pool.keys * 10, lambda rows: read.append(rows) or pool.read(rows % 120))
    scene = replace(scene, unlabelled=many)

    unlabelled(scene, torch.arange(40) % 2, SearchOptions(), rng)
    asked = torch.cat(read[:-1])  # the last are the chosen ones
    again = scene.pseudo_labels_of(asked)

    assert len(asked) == 256
    assert len(read) == 2
    assert set(again.tolist()) == {0, 1}


def test_where_there_are_too_few_of_a_label_they_come_again_but_each_comes(scene, rng):
    found = unlabelled(scene, torch.ones(90, dtype=torch.int64), SearchOptions(), rng)

    assert len(set(found.parents)) == 60
    assert found.batch.inputs["image"][:, 0, 0, 0].min() > 0.5


def test_a_label_that_no_sample_has_is_left_to_agreement_to_refuse(scene, rng):
    judge = lambda x: torch.tensor([[4.0, 0.0]]).expand(len(x), 2)  # noqa: E731
    y = torch.tensor([0, 1] * 20)

    found = unlabelled(replace(scene, judges=[judge]), y, SearchOptions(), rng)

    opinion = judge(found.batch.inputs["image"]).softmax(1)[None]
    evidence = Evidence(opinion, torch.ones(40), torch.ones(40))
    assert torch.equal(agreement(found, evidence, 0.0).accepted, y == 0)


@pytest.mark.parametrize("lacking", [{"unlabelled": None}, {"judges": ()}])
def test_a_scene_without_them_or_without_judges_is_refused(lacking, scene, rng):
    with pytest.raises(ValueError, match="unlabelled samples"):
        unlabelled(replace(scene, **lacking), torch.tensor([0]), SearchOptions(), rng)
