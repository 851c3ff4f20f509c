"""Rounds of events: coloured pictures paired with rows of features, three uneven classes, by options alone."""

import html
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from data.errors import WrongUse
from data.files import sha256_of
from data.manifest import read_manifest
from data.pairing import open_pairs
from data.reading import read_samples
from data.runs import Run, open_run
from data.shards import read_index
from data.store import Store
from data.verify import verify
from pipelines.augment import augment
from pipelines.recipes import Recipe, overridden, preset
from pipelines.training import sets, stages
from pipelines.training.events import pages
from pipelines.training.events import stages as events
from pipelines.training.events.fitting import fool_rate, shard_of
from pipelines.training.events.participants import benches_of
from pipelines.training.mending import mend
from pipelines.training.models.fusion import load_fusion
from pipelines.training.planning import plan_of
from pipelines.training.rounds import stages as rounds

CLASSES = {"ant": 30, "bee": 22, "cow": 14}
TINY = {
    "source.first.name": "image_folder",
    "source.second.name": "image_folder",
    "source.second.modality": "features",
    "source.validation_share": "0.2",
    "source.test_share": "0.2",
    "rounds.count": "2",
    "rounds.candidates": "24",
    "rounds.steps": "6",
    "rounds.search.steps": "2",
    "events.features": "4",
    "events.hidden": "8",
    "events.warm": "40",
    "events.judged": "0",
    "events.samples": "12",
    "events.steps": "4",
    "events.restarts": "1",
    "events.shift.image": "0",
    "events.shift.features": "0",
}


@pytest.fixture(autouse=True)
def without_processes(monkeypatch):
    """Stages do their work here: what is tested is what they leave behind."""
    for module in (stages, sets, rounds, events):
        monkeypatch.setattr(module, "in_worker", lambda work, *args, **more: (work(*args, **more), 0.0))


@pytest.fixture
def folders(tmp_path) -> dict[str, str]:
    """Pictures 10 x 6 in red, green or blue, and rows of 4 frames whose first feature is the class."""
    rng = np.random.default_rng(0)
    for label, (name, count) in enumerate(CLASSES.items()):
        for folder in ("pictures", "rows"):
            (tmp_path / folder / name).mkdir(parents=True)
        for number in range(count):
            picture = rng.integers(0, 90, (10, 6, 3), dtype=np.uint8)
            picture[..., label] += 120
            Image.fromarray(picture).save(tmp_path / "pictures" / name / f"{number}.png")
            row = rng.normal(size=(4, 5)).astype(np.float32)
            row[:, 0] += 3 * label
            np.save(tmp_path / "rows" / name / f"{number}.npy", row)
    return {"source.first.path": str(tmp_path / "pictures"), "source.second.path": str(tmp_path / "rows")}


@pytest.fixture
def recipe(folders) -> Recipe:
    return changed(folders)


def changed(options: dict[str, str], recipe: Recipe | None = None) -> Recipe:
    return overridden(recipe, options) if recipe else overridden(preset("spoken_mnist"), {**TINY, **options})


def gone_through(recipe: Recipe, folder: Path) -> Run:
    run = open_run(folder, recipe.name)
    stages.source(recipe, run)
    for name in recipe.events.modalities:
        for fold in range(recipe.judges.folds):
            events.judge(recipe, run, name, fold)
    rounds.first_model(recipe, run)
    for number in range(1, recipe.rounds.count + 1):
        rounds.round_set(recipe, run, number)
        rounds.round_model(recipe, run, number)
    return run


def bytes_of(run: Run) -> dict[str, str]:
    made = [*run.folder.glob("round-*"), *(path for path in run.path("rounds").rglob("*") if path.is_file())]
    return {str(path.relative_to(run.folder)): sha256_of(path) for path in made}


def test_each_sample_of_a_round_has_one_modality_moved_and_the_other_bit_by_bit_a_real_one(recipe, tmp_path):
    run = gone_through(recipe, tmp_path / "run")

    real = open_pairs(run.path("source")).batch("train", recipe.source).inputs
    known = {name: {x.numpy().tobytes() for x in values} for name, values in real.items()}
    for number in (1, 2):
        found = read_samples(Store(str(run.path(f"rounds/{number}"))))
        assert {sample.search for sample in found} == {"adversarial_features", "adversarial_image"}
        for sample in found:
            name = sample.search.removeprefix("adversarial_")
            (other,) = set(sample.inputs) - {name}
            reach = recipe.events.epsilon[name] * recipe.events.reach[name]
            rounding = 0.5 / 255 if name == "image" else 0.0
            assert 0 < sample.moved[name] <= reach + rounding + 1e-5
            assert sample.moved[other] == 0
            companion = sample.inputs[other] / 255 if other == "image" else sample.inputs[other]
            assert companion.numpy().tobytes() in known[other]


def test_events_are_moved_before_they_are_attacked(recipe, tmp_path):
    run = gone_through(changed({"events.shift.features": "2", "rounds.count": "1"}, recipe), tmp_path / "run")

    pictures = [s for s in read_samples(Store(str(run.path("rounds/1")))) if s.moved["image"]]
    later = [int((sample.inputs["features"] == 0).all(1).sum()) for sample in pictures]
    assert set(later) == {0, 1, 2}
    assert all(sample.moved["features"] == 0 for sample in pictures)


def test_a_set_of_events_is_whole_and_names_the_model_it_was_made_against_and_the_judges(recipe, tmp_path):
    run = gone_through(recipe, tmp_path / "run")

    for number in (1, 2):
        store = Store(str(run.path(f"rounds/{number}")))
        facts, attacked = read_index(store).facts, f"round-model-{number - 1}.safetensors"
        assert not verify(store)
        assert facts["made_by"][attacked] == sha256_of(run.path(attacked))
        assert {"judge-image-0", "judge-image-1", "judge-features-0", "judge-features-1"} <= facts["made_by"].keys()
        assert facts["shapes"] == {"features": [4, 5], "image": [3, 10, 6]}


def test_attack_success_and_staleness_are_those_of_the_shards_on_disk(recipe, tmp_path):
    run = gone_through(recipe, tmp_path / "run")

    stale = rounds.staleness(recipe, run).facts["fooled"]
    for number in (1, 2):
        against, last = (load_fusion(run.path(f"round-model-{at}.safetensors")) for at in (number - 1, 2))
        assert rounds.successes(run, 2)[number - 1] == fool_rate(against, shard_of(run.folder, number))
        assert stale[number - 1] == fool_rate(last, shard_of(run.folder, number))


def test_the_same_recipe_gives_the_same_bytes_and_more_rounds_go_on_from_those_there_are(recipe, tmp_path):
    one, two = (
        gone_through(changed({"rounds.count": "1"}, recipe), tmp_path / "one"),
        gone_through(recipe, tmp_path / "two"),
    )

    before = bytes_of(one)
    assert before.items() <= bytes_of(two).items()
    assert bytes_of(gone_through(recipe, tmp_path / "one")) == bytes_of(two)


def test_a_damaged_shard_of_events_is_repaired_to_the_same_bytes(recipe, tmp_path):
    run = gone_through(changed({"rounds.count": "1"}, recipe), tmp_path / "run")
    before = bytes_of(run)
    run.path("rounds/1/train-000000.tar").write_bytes(b"x")

    mended = mend(str(run.path("rounds/1")), None)

    assert mended.lost == []
    assert bytes_of(run).items() >= before.items()


def test_a_judge_is_asked_about_members_it_has_not_seen(recipe, tmp_path):
    run = gone_through(recipe, tmp_path / "run")
    side = open_pairs(run.path("source")).sides["features"].batch("train", recipe.source)

    bench = benches_of(recipe, run.folder)["features"]

    said = bench.hear(side.inputs["features"], side.keys)
    for row, key in enumerate(side.keys):
        fold = int(key[:8], 16) % 2
        own = load_fusion(run.path(f"judge-features-{fold}.safetensors"))
        assert torch.allclose(
            said[row], own({"features": side.inputs["features"][row : row + 1]}).softmax(1)[0], atol=1e-6
        )
    unseen = torch.tensor([int(key[:8], 16) % 2 == 0 for key in side.keys])
    right = (said[unseen].argmax(1) == side.labels[unseen]).float().mean().item()
    assert run.record("judge-features-0").facts["right_on_unseen"] == pytest.approx(right)


def test_a_sample_is_kept_when_the_judges_of_its_untouched_modality_give_its_label_enough(recipe, tmp_path):
    strict = changed({"events.judged": "0.4", "rounds.count": "1"}, recipe)

    found = read_index(Store(str(gone_through(strict, tmp_path / "run").path("rounds/1"))))
    rows = read_manifest(found.store, [manifest.name for manifest in found.manifests])

    said = [dict(scores)["untouched"] for scores in rows["scores"].to_pylist()]
    assert rows["accepted"].to_pylist() == [score >= 0.4 for score in said]
    assert 0 < sum(rows["accepted"].to_pylist()) < len(rows) == 24


def test_the_report_holds_every_figure_of_each_training_and_the_worse_modality_counts(recipe, tmp_path):
    run = gone_through(recipe, tmp_path / "run")
    for name in (rounds.IN_LOOP, rounds.PLAIN):
        rounds.rival(recipe, run, name)

    figures = pages.figures_of(recipe, run)

    for arm in figures["arms"].values():
        assert arm["events"] == 12
        assert arm["worst"] == min(arm["single"].values()) <= arm["clean"]
        assert arm["multi"] <= arm["worst"] + 100 / 12 * 2  # another attack, of few steps here
        assert set(arm["without"]) == {"image", "features"}
    assert [made["round"] for made in figures["made"]] == [1, 2]
    assert "2 rounds of 6 steps" in figures["said"]


def test_the_plan_lists_the_stages_that_a_run_on_pairs_has(recipe, tmp_path):
    before = plan_of(recipe, tmp_path / "run", "build")
    gone_through(recipe, tmp_path / "run")

    after = plan_of(recipe, tmp_path / "run", "build")

    assert [stage.name for stage in before.todo] == [stage.name for found in after.stages.values() for stage in found]
    assert not after.todo


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source.name": "digits"}, "pairs need a radius for each modality"),
        ({"events.epsilon.image": "0"}, r"events.epsilon.image must be > 0"),
        ({"events.shift.text": "3"}, "events.shift takes image, features or audio"),
        ({"rounds.checks.agreement": "0.5"}, "events are checked by events.judged"),
    ],
)
def test_options_that_make_no_sense_of_events_are_refused_before_any_work(options, message):
    with pytest.raises(WrongUse, match=message):
        changed(options)


def test_a_modality_without_a_radius_is_named(recipe, tmp_path):
    wrong = changed({"events.epsilon.audio": "0.1"}, recipe)

    with pytest.raises(WrongUse, match=r"hold features, image, and .* a radius for audio, features, image"):
        stages.source(wrong, open_run(tmp_path / "run", wrong.name))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_one_command_hardens_pairs_of_folders(folders, tmp_path):
    options = [word for name, value in {**TINY, **folders}.items() for word in (f"--{name}", value)]
    command = [sys.executable, "-m", "pipelines.cli", "run", "spoken_mnist", "--run", str(tmp_path / "run"), *options]

    done = subprocess.run(command, check=True, capture_output=True, text=True)

    figures = json.loads((tmp_path / "run" / "report.json").read_text())
    page = (tmp_path / "run" / "report.html").read_text()
    assert figures["said"] in " ".join(done.stdout.split())
    assert html.escape(figures["said"]) in page
    assert {"features, moved by", "image, moved by"} <= set(re.findall(r"\w+, moved by", page))
    assert [made["round"] for made in figures["made"]] == [1, 2]


def test_more_than_one_seed_of_pairs_is_refused_before_any_work(folders, tmp_path):
    with pytest.raises(WrongUse, match="one training of at least one round"):
        augment.fn(changed(folders), tmp_path / "run", 2)
    assert not (tmp_path / "run" / "source").exists()
