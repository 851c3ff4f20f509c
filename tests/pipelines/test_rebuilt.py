"""The run's folder decides: what changed is made again with all that depends on it, and nothing else."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from data.runs import Run, open_run
from pipelines.recipes import DEFAULT, Recipe
from pipelines.training import finished, sets, stages

BRIEF = replace(DEFAULT.training, steps=2, features=2, batch_size=8, watch=replace(DEFAULT.training.watch, every=0))
RECIPE = replace(
    DEFAULT,
    training=BRIEF,
    generator=replace(DEFAULT.generator, steps=2, batch_size=8),
    judges=replace(DEFAULT.judges, folds=2, fit=replace(DEFAULT.judges.fit, steps=2, features=2, batch_size=8)),
    search=replace(DEFAULT.search, mix={"mixup": 0.5, "random_latent": 0.5}),
    checks={"agreement": 0.0},
    shards=replace(DEFAULT.shards, parts=2, count=2, attempts=20),
)
DRAFTS = {"shards/draft-0", "shards/draft-1"}
SHARDS = {"shards/shard-0", "shards/shard-1"}
FITTED = {"model", "generator", "judge-0", "judge-1", "examiner", "fidelity"}
EVERYTHING = {"source", *FITTED, *DRAFTS, *SHARDS, "shards"}


def build(recipe: Recipe, run: Run) -> None:
    """As far as the shards, as the flow does it."""
    stages.source(recipe, run)
    stages.model(recipe, run)
    stages.gan(recipe, run)
    for fold in range(recipe.judges.folds):
        stages.judge(recipe, run, fold)
    stages.examiner(recipe, run)
    stages.fidelity(recipe, run)
    options = sets.hard_set(recipe, run)
    for number in options.drafts:
        sets.draft(recipe, run, options, number)
    drafts = sets.drafts_of(run, options)
    for number in range(options.count):
        sets.shard(recipe, run, options, number, drafts)
    sets.index(recipe, run, options)


@pytest.fixture(scope="module")
def _here() -> pytest.MonkeyPatch:
    """Work is done in this process."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("stages", "sets"):
            patch.setattr(f"pipelines.training.{module}.in_worker", lambda work, *given: (work(*given), 0.0))
        yield patch


@pytest.fixture(scope="module")
def finished_once(_here, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "run"
    run = open_run(folder, RECIPE.name)
    build(RECIPE, run)
    finished.note(run, "build", finished.key_of(RECIPE, []), None)
    return folder


@pytest.fixture
def run(finished_once, tmp_path, _here) -> Run:
    """A finished run at a place of its own."""
    shutil.copytree(finished_once, tmp_path / "run")
    place = Run(tmp_path / "run")
    sets_apart = replace(RECIPE, shards=replace(RECIPE.shards, url=str(place.path("shards"))))
    build(sets_apart, place)  # a set's place is among what its shards depend on
    finished.note(place, "build", finished.key_of(RECIPE, []), None)
    return place


def rebuilt(run: Run, work: Callable[[], None]) -> set[str]:
    """The stages whose records are written anew meanwhile."""

    def written() -> dict[str, int]:
        records = run.path("stages").rglob("*.json")
        return {str(file.relative_to(run.path("stages")).with_suffix("")): file.stat().st_mtime_ns for file in records}

    before = written()
    work()
    return {stage for stage, at in written().items() if before.get(stage) != at}


def corrupt(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


HARMS = [
    ("model.safetensors", {"model"}),
    ("generator.safetensors", {"generator"}),
    ("judge-1.safetensors", {"judge-1"}),
    ("source/samples.parquet", {"source"}),
    ("drafts/shards/train-000000.tar", {"shards/draft-0"}),
    ("shards/train-000001.tar", {"shards/shard-1", "shards"}),
    ("shards/index.json", {"shards"}),
]
"""A file of the run, and the stages that make it: made again as they were, they leave all others as they are."""


@pytest.mark.parametrize("harm", [Path.unlink, corrupt])
@pytest.mark.parametrize(("file", "expected"), HARMS)
def test_a_lost_or_damaged_file_is_made_again_and_nothing_else(run, file, expected, harm):
    whole = run.path(file).read_bytes()
    harm(run.path(file))

    assert not finished.is_as_left(run, "build", finished.key_of(RECIPE, []))
    assert rebuilt(run, lambda: build(RECIPE, run)) == expected
    assert run.path(file).read_bytes() == whole


OPTIONS = [
    (replace(RECIPE, seed=1), EVERYTHING - {"source"}),
    (
        replace(RECIPE, generator=replace(RECIPE.generator, steps=3)),
        {"generator", "fidelity", *DRAFTS, *SHARDS, "shards"},
    ),
    (replace(RECIPE, shards=replace(RECIPE.shards, softness=1.0)), {*DRAFTS, *SHARDS, "shards"}),
    (replace(RECIPE, shards=replace(RECIPE.shards, count=3)), {*SHARDS, "shards/shard-2", "shards"}),
    (replace(RECIPE, evaluation=replace(RECIPE.evaluation, samples=7)), set()),
    (replace(RECIPE, operations=replace(RECIPE.operations, hours=1.0)), set()),
]


@pytest.mark.parametrize(
    ("recipe", "expected"), OPTIONS, ids=["seed", "generator", "softness", "count", "arms", "hours"]
)
def test_a_changed_option_redoes_what_depends_on_it(run, recipe, expected):
    assert rebuilt(run, lambda: build(recipe, run)) == expected


def test_a_network_that_became_another_redoes_what_was_made_with_it(run, monkeypatch):
    run.path("examiner.safetensors").write_bytes(run.path("judge-0.safetensors").read_bytes())
    monkeypatch.setattr("pipelines.training.work.save_classifier", lambda *_: None)  # what is there stays

    assert rebuilt(run, lambda: build(RECIPE, run)) == {"examiner", "fidelity", "shards"}


def test_another_version_of_the_package_redoes_everything(run, monkeypatch):
    monkeypatch.setattr("pipelines.training.stages.version", lambda _: "9.9.9")

    assert rebuilt(run, lambda: build(RECIPE, run)) == EVERYTHING


def test_where_nothing_changed_nothing_is_done_and_the_folder_is_known_to_be_as_it_was_left(run):
    assert rebuilt(run, lambda: build(RECIPE, run)) == set()
    assert finished.is_as_left(run, "build", finished.key_of(RECIPE, []))


@pytest.mark.parametrize(
    ("recipe", "same"),
    [
        (replace(RECIPE, operations=replace(RECIPE.operations, hours=1.0)), True),
        (replace(RECIPE, evaluation=replace(RECIPE.evaluation, samples=7)), False),
        (replace(RECIPE, checks={**DEFAULT.checks}), False),
    ],
)
def test_a_run_is_as_it_was_left_only_for_the_recipe_that_left_it(run, recipe, same):
    assert finished.is_as_left(run, "build", finished.key_of(recipe, [])) == same


def test_another_flow_or_another_number_of_seeds_has_not_finished(run):
    assert not finished.is_as_left(run, "augment", finished.key_of(RECIPE, []))
    assert not finished.is_as_left(run, "build", finished.key_of(RECIPE, [3]))
