"""A model made in a process that cannot import us, attacked by a run here."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from data.errors import Damaged, WrongUse
from data.manifest import read_manifest
from data.runs import Run
from data.shards import open_set
from data.sources import SourceOptions
from data.store import Store
from generators.attacks.pgd import pgd
from generators.gan import begin, networks_of
from generators.networks import GanShape
from generators.options import Ball, GanOptions, SearchOptions
from pipelines.recipes import Recipe
from pipelines.training import stages, work
from pipelines.training.drafting import DraftRequest
from pipelines.training.materialise import build_draft
from pipelines.training.models import brought, checkpoints
from pipelines.training.models.classifier import Classifier, ClassifierShape, save_classifier
from pipelines.training.models.locating import ModelOptions
from pipelines.training.participants import model_of, samples, taken
from pipelines.training.places import GENERATOR, MODEL, judge_file
from pipelines.training.processes import workers

EXAMPLE = Path(__file__).parents[2] / "examples/export_model.py"
SOURCE = SourceOptions(labelled=100)
ALONE = """
import runpy, sys

class Nobody:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("data", "generators", "pipelines", "hardshard"):
            raise ImportError(f"{name} is not to be had here")

sys.meta_path.insert(0, Nobody())
for name in ("data", "generators", "pipelines"):
    try:
        __import__(name)
    except ImportError:
        continue
    sys.exit(f"{name} could be imported")
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    """What the example writes where none of our packages can be imported."""
    path = tmp_path_factory.mktemp("theirs") / "digits.pt2"
    arguments = [sys.executable, "-I", "-c", ALONE, str(EXAMPLE), str(path)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def recipe(exported) -> Recipe:
    return Recipe(source=SOURCE, model=ModelOptions(str(exported)))


@pytest.fixture
def run(tmp_path, recipe) -> Path:
    """A run's folder with the example's model brought to it, and an untrained generator and judges."""
    work.read_source(recipe, tmp_path)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for fold in range(2):
            save_classifier(tmp_path / judge_file(fold), Classifier(ClassifierShape(1, 8, 8, 10, features=4)))
    shape = GanShape(channels=1, height=8, width=8, classes=10, latent=4, features=4, discriminator_features=8)
    checkpoints.save(tmp_path / GENERATOR, networks_of(begin(shape, GanOptions(), seed=0)), vars(shape))
    return tmp_path


def test_the_run_keeps_a_copy_and_says_how_good_the_model_is(run, recipe, exported):
    facts = work.bring_model(recipe, run)

    assert (run / "brought/model.pt2").read_bytes() == exported.read_bytes()
    assert facts["validation"]["clean"] > 0.9
    assert facts["validation"]["samples"] == len(samples(run, "validation", SOURCE))
    assert facts["named_classes"]
    assert not facts["validation"]["doubtful"]
    assert "your model: right on 9" in brought.opinion_told(facts)


def test_shards_are_built_against_it_and_pgd_breaks_it(run, recipe, rng):
    work.bring_model(recipe, run)
    band, mix = 0.5, {"perturb": 1.0}
    request = DraftRequest(run, "shards", 0, 60, 0, 2, SOURCE, SearchOptions(mix=mix, band=band), {"margin_band": band})

    record = build_draft(request)

    rows = read_manifest(Store(str(run / "drafts/shards")), [record.manifest])
    model, real = model_of(run), samples(run, "validation", SOURCE)
    x, y = real.inputs["image"][:200], real.labels[:200]
    x_adv = pgd(model, x, y, Ball(epsilon=0.25, steps=20, step_size=0.03), rng)
    kept = rows.filter(rows["accepted"])
    assert len(kept) > 30
    assert all(abs(margin) <= band for margin in kept["margin"].to_pylist())
    assert (model(x).argmax(1) == y).float().mean() > 0.9
    assert (model(x_adv).argmax(1) == y).float().mean() < 0.4


def test_its_accuracy_on_the_arms_samples_is_told_beside_them(run, recipe):
    work.bring_model(recipe, run)

    measured = work.judge_brought(replace(recipe, evaluation=replace(recipe.evaluation, samples=50)), run)

    told = brought.measured_told(measured)
    assert f"Of the 50 samples that the arms are measured on it is right on {100 * measured['clean']:.1f} %" in told
    assert measured["clean"] > 0.9
    assert "The arms are small classifiers trained here, not your model" in told


def test_a_model_that_answers_at_random_is_doubted(run, recipe):
    wrong = replace(recipe, model=replace(recipe.model, mean=(0.5,), std=(0.001,), class_names=tuple("9876543210")))

    facts = work.bring_model(wrong, run)

    assert facts["validation"]["doubtful"]
    assert "Hardly better than chance: are its input range and its order of classes right?" in brought.opinion_told(
        facts
    )


def test_a_model_that_does_not_suit_leaves_nothing_in_the_run(run, recipe):
    with pytest.raises(WrongUse, match=r"takes images of size 32, the source's are 1 x 8 x 8"):
        work.bring_model(replace(recipe, model=replace(recipe.model, size=32)), run)

    assert not (run / "brought").exists()


def test_a_damaged_copy_is_named(run, recipe):
    work.bring_model(recipe, run)
    (run / brought.OPTIONS).write_text("{}")

    with pytest.raises(Damaged, match=r"options.json names no model \('path'\): delete it and run again"):
        model_of(run)


def test_the_stage_is_done_once_and_again_when_the_description_changes(tmp_path, recipe):
    run = Run(tmp_path)
    with workers(1):
        stages.source(recipe, run)
        first = stages.model(recipe, run)
        (tmp_path / "brought/model.json").touch()
        again = stages.model(recipe, run)
        other = stages.model(replace(recipe, model=replace(recipe.model, low=0, high=1)), run)

    assert first == again
    assert set(first.outputs) == {"brought/model.pt2", "brought/model.json", "brought/options.json"}
    assert other.key != first.key
    assert not (tmp_path / MODEL).exists()


def test_a_run_that_goes_back_to_its_own_model_forgets_the_other(run, recipe):
    work.bring_model(recipe, run)
    own = replace(recipe, model=ModelOptions(), training=replace(recipe.training, steps=1))

    work.fit_model(own, run)

    assert isinstance(model_of(run), Classifier)
    assert not (run / "brought").exists()
    work.bring_model(recipe, run)
    assert not isinstance(model_of(run), Classifier)
    assert taken(run).summary.class_names == list("0123456789")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_command_builds_shards_against_it_and_does_nothing_twice(exported, tmp_path):
    brief = ["--judges.fit.steps", "10", "--generator.steps", "30", "--shards.attempts", "50"]
    easy = ["--checks.agreement", "0.05", "--checks.margin_band", "9", "--run", str(tmp_path / "run")]
    command = [sys.executable, "-m", "pipelines.cli", "build", "digits_quick", "--model", str(exported), *brief, *easy]
    run = Run(tmp_path / "run")

    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    before = {path: path.stat().st_mtime_ns for path in run.path("stages").rglob("*.json")}
    subprocess.run(command, capture_output=True, check=True)

    index = open_set(Store(str(run.path("shards"))))
    assert "your model: right on 9" in said
    assert index.facts["made_by"]["model"] == run.record("model").digest
    assert int(str(index.facts["samples"])) > 0
    assert before == {path: path.stat().st_mtime_ns for path in run.path("stages").rglob("*.json")}
