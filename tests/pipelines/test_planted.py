"""Thresholds chosen on validation samples, by networks that are not trained: how it is done, not how well."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from data.errors import WrongUse
from data.runs import Run
from data.sources import SourceOptions
from generators.gan import begin, networks_of
from generators.networks import GanShape
from generators.options import GanOptions, SearchOptions
from pipelines.recipes import Recipe
from pipelines.training import planted, sets, work
from pipelines.training.drafting import ShardOptions, chosen_of
from pipelines.training.fitting.options import FitOptions, JudgeOptions
from pipelines.training.models import checkpoints
from pipelines.training.models.classifier import Classifier, ClassifierShape, load_classifier, save_classifier
from pipelines.training.participants import samples
from pipelines.training.places import GENERATOR, MODEL, judge_file

GAN = GanShape(channels=1, height=8, width=8, classes=10, latent=4, features=4, discriminator_features=8)
RECIPE = Recipe(
    source=SourceOptions(labelled=100),
    search=SearchOptions(steps=2),
    judges=JudgeOptions(folds=2, architectures=("mlp", "cnn"), fit=FitOptions(steps=60, features=4)),
    shards=ShardOptions(label_error=0.15),
    checks={"margin_band": 3.0, "agreement": "auto", "near_duplicate": 0.1},
)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run's folder with an untrained model and generator, and two judges trained for a moment."""
    folder = tmp_path_factory.mktemp("run")
    work.read_source(RECIPE, folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_classifier(folder / MODEL, Classifier(ClassifierShape(1, 8, 8, 10, 4)))
    checkpoints.save(folder / GENERATOR, networks_of(begin(GAN, GanOptions(), seed=0)), vars(GAN))
    for fold in range(2):
        facts = work.fit_one_judge(RECIPE, folder, fold)
        assert facts["architecture"] == RECIPE.judges.architectures[fold]
        assert facts["nll"] < facts["nll_before"]
    return folder


@pytest.fixture
def few(monkeypatch) -> None:
    monkeypatch.setattr(planted, "ATTEMPTS", 256)


def test_judges_of_different_architectures_are_loaded_as_they_were_trained(run):
    shapes = [load_classifier(run / judge_file(fold)).shape.architecture for fold in range(2)]

    assert shapes == ["mlp", "cnn"]


def test_a_threshold_left_open_is_chosen_for_the_stated_error_and_the_rest_stays(run, few):
    facts = planted.choose_thresholds(RECIPE, run)

    choice = facts["chosen"]["agreement"]
    assert set(facts["chosen"]) == {"agreement"}
    assert choice["error"] <= RECIPE.shards.label_error
    assert choice["kept"] > 0
    assert chosen_of(facts) == {"agreement": choice["threshold"]}


def test_thresholds_are_chosen_on_validation_samples_under_right_and_wrong_labels(run, few):
    trial = planted.planted(RECIPE, run)

    keys = set(samples(run, "validation", RECIPE.source).keys)
    assert all(set(parents) <= keys for parents in trial.candidates.parents)
    assert trial.right.float().mean() == 0.5


def test_an_error_that_no_threshold_keeps_to_is_wrong_use(run, few):
    blind = replace(RECIPE, checks={"near_duplicate": "auto"})  # which looks at no label

    with pytest.raises(WrongUse, match=r"no threshold of near_duplicate keeps wrong labels to 0\.15"):
        planted.choose_thresholds(blind, run)


def test_a_recipe_that_leaves_nothing_open_needs_no_stage(tmp_path):
    closed = replace(RECIPE, checks={"agreement": 0.7})

    assert sets.thresholds_of(closed, Run(tmp_path)) == {"agreement": 0.7}
    with pytest.raises(WrongUse, match="no finished stage 'thresholds'"):
        sets.thresholds_of(RECIPE, Run(tmp_path))
