"""Adaptation of a toy: bright bars have labels, dark ones have none; how many bars there are is the class."""

import html
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from data.errors import WrongUse
from data.files import sha256_of
from data.intake import take_in
from data.reading import read_samples
from data.runs import Run, open_run
from data.shards import open_set
from data.sources import SourceOptions, source_of
from data.store import Store
from data.taken import open_taken
from generators.options import CycleOptions
from generators.pseudo_labels import spread
from pipelines.recipes import Recipe, overridden, preset
from pipelines.training import sets
from pipelines.training import stages as run_stages
from pipelines.training.adaptation import domains, figures, fitting, measuring, stages
from pipelines.training.adaptation.options import AdaptOptions
from pipelines.training.adaptation.stages import ADAPTED, AUGMENTED, LABELLED, NEAR, SELF, SOURCE_ONLY
from pipelines.training.fitting.options import FitOptions

CYCLE = CycleOptions(
    steps=3, batch_size=8, features=4, blocks=1, discriminator_features=4, latent=1, pool=4, semantic=0.5
)
SPLIT = {"labelled": 0, "validation_share": 0.3, "test_share": 0.3}


def bars(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """One or two bright columns, uint8 (N, 8, 8), a little noise, and how many less one."""
    draw = np.random.default_rng(seed)
    x, y = draw.integers(0, 40, (count, 8, 8), dtype=np.uint8), np.arange(count) % 2
    for image, label in zip(x, y, strict=True):
        image[:, draw.permutation(4)[: label + 1] * 2] += 200
    return x, y


def recipe_of(folder: Path, **options: object) -> Recipe:
    """A recipe for the two files that `both_domains` writes."""
    fit = FitOptions(objective="plain", steps=4, batch_size=16, features=4, synthetic_share=0.5)
    adapt = AdaptOptions(
        target=SourceOptions(name="npz", path=str(folder / "target.npz"), **SPLIT),  # type: ignore[arg-type]
        rounds=2,
        warm_up=1,
        members=2,
        cycle=CYCLE,
        translated=60,
        checks={"agreement": 0.0, "cycle_error": 1.0, "back_agreement": 0.0, "realism": 0.0},
        kept=(0.8, 1.0),
        sure=0.0,
        shards=1,
        fit=fit,
    )
    source = SourceOptions(name="npz", path=str(folder / "source.npz"), **SPLIT)  # type: ignore[arg-type]
    return replace(preset("rendered_to_digits"), source=source, adapt=replace(adapt, **options))  # type: ignore[arg-type]


def both_domains(folder: Path, *, poisoned: bool = False) -> Path:
    """Writes source.npz, and target.npz with the right labels or, where it is poisoned, with others."""
    folder.mkdir(exist_ok=True)
    x, y = bars(120, seed=0)
    np.savez(folder / "source.npz", x=x, y=y)
    x, y = bars(120, seed=1)
    labels = np.random.default_rng(7).permutation(y) if poisoned else y
    np.savez(folder / "target.npz", x=255 - x, y=labels)
    return folder


def unmeasured(recipe: Recipe, folder: Path) -> Run:
    """All that the flow does before it measures."""
    run = open_run(folder, recipe.name)
    run_stages.source(recipe, run)
    stages.target(recipe, run)
    for arm in (SOURCE_ONLY, AUGMENTED):
        fit_all(recipe, run, arm, 0)
    for arm in (SELF, NEAR, ADAPTED):
        if arm == ADAPTED:
            stages.translation(recipe, run)
        for number in stages.rounds_of(recipe, arm):
            for kind in stages.kinds_of(arm):
                stages.draft(recipe, run, arm, number, kind)
            for place in range(recipe.adapt.shards):
                stages.shard(recipe, run, arm, number, place)
            stages.index(recipe, run, arm, number)
            fit_all(recipe, run, arm, number)
    stages.pictures(recipe, run)
    return run


def fit_all(recipe: Recipe, run: Run, arm: str, number: int) -> None:
    for place in range(recipe.adapt.members):
        stages.member(recipe, run, arm, number, place)


def measured(recipe: Recipe, run: Run) -> dict:
    """What the flow does then."""
    stages.labelled_target(recipe, run)
    for place in range(recipe.adapt.members):
        stages.labelled_member(recipe, run, place)
    for arm, number in stages.measured(recipe):
        stages.accuracy(recipe, run, arm, number)
        if number in stages.rounds_of(recipe, arm):
            stages.pseudo_labels(recipe, run, arm, number)
    return json.loads(figures.write(recipe, run).read_text())


@pytest.fixture(scope="module", autouse=True)
def _here():
    """Stages do their work in this process: a worker takes seconds to start."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (stages, sets, run_stages):
            patch.setattr(module, "in_worker", lambda work, *args, **more: (work(*args, **more), 0.0))
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Recipe, Run]:
    folder = both_domains(tmp_path_factory.mktemp("adapt"))
    recipe = recipe_of(folder)
    return recipe, unmeasured(recipe, folder / "run")


def made(run: Run) -> dict[str, str]:
    """Every file of a run but the stages' records, which name what they were made from, by its SHA-256."""
    files = (path for path in run.folder.rglob("*") if path.is_file() and "stages" not in path.parts)
    return {str(path.relative_to(run.folder)): sha256_of(path) for path in files}


def test_poisoned_target_labels_change_no_byte_of_what_is_made(finished, tmp_path):
    recipe, run = finished
    poisoned = recipe_of(both_domains(tmp_path / "poisoned", poisoned=True))

    other = unmeasured(poisoned, tmp_path / "poisoned" / "run")

    assert made(other) == made(run)
    assert any(name.endswith(f"{ADAPTED}-2-member-1.safetensors") for name in made(run))
    stages.labelled_target(poisoned, other)
    stages.labelled_target(recipe, run)
    pairs = ((recipe, run), (poisoned, other))
    ours, theirs = (domains.measured_samples(some, at.folder, "test") for some, at in pairs)
    assert ours.keys == theirs.keys
    assert not torch.equal(ours.labels, theirs.labels)  # the poison is there, and read when it is measured


def test_a_second_time_nothing_is_done_again(finished):
    recipe, run = finished
    records = {path: path.stat().st_mtime_ns for path in (run.folder / "stages").rglob("*.json")}

    unmeasured(recipe, run.folder)

    assert records == {path: path.stat().st_mtime_ns for path in records}


def test_the_report_has_every_arm_round_and_picture_beside_each_other(finished):
    recipe, run = finished

    found = measured(recipe, run)

    assert {name: [one["round"] for one in rounds] for name, rounds in found["arms"].items()} == {
        "source only": [0],
        "source, strong augmentation": [0],
        "confident self-training": [1, 2],
        "self-training, labels spread": [1, 2],
        "the same, and translation": [2],
        "with target labels": [0],
    }
    assert {one["samples"] for rounds in found["arms"].values() for one in rounds} == {
        sum(run.record("target-labelled").facts["kept"]["test"].values())
    }
    assert [(made["arm"], made["round"], set(made["candidates"])) for made in found["sets"]] == [
        ("confident self-training", 1, {"pseudo_label"}),
        ("confident self-training", 2, {"pseudo_label"}),
        ("self-training, labels spread", 1, {"pseudo_label"}),
        ("self-training, labels spread", 2, {"pseudo_label"}),
        ("the same, and translation", 2, {"pseudo_label", "translate"}),
    ]
    page = (run.folder / "report.html").read_text()
    assert page.count("data:image/png") == 2
    assert found["said"] in html.unescape(page)


def test_accuracies_are_those_of_the_classifiers_on_the_measured_part(finished):
    recipe, run = finished
    found = measured(recipe, run)
    batch = domains.measured_samples(recipe, run.folder, "test")

    (stage, *_) = stages.members(recipe, ADAPTED, 2)
    (member,) = fitting.members_of(run.folder, [f"{stage}.safetensors"])
    with torch.no_grad():
        right = member(batch.inputs["image"]).argmax(1) == batch.labels

    told = found["arms"]["the same, and translation"][0]["members"][0]
    assert told == pytest.approx(100 * right.float().mean().item(), abs=0.01)


def test_a_rounds_set_holds_labelled_samples_of_both_kinds_and_where_they_come_from(finished):
    recipe, run = finished
    target = domains.target_samples(recipe, run.folder, "train")

    kept = read_samples(open_set(Store(str(run.path(stages.set_of(ADAPTED, 2))))).store)

    assert {sample.search for sample in kept} == {"pseudo_label", "translate"}
    for sample in kept:
        assert sample.soft_label.sum().item() == pytest.approx(1, abs=1e-5)
        assert sample.soft_label.shape == (2,)
    assert len(kept) > len([key for key in target.keys if key])  # more than the target's own


def test_translations_of_a_rounds_set_are_test_samples_for_an_audit_and_training_samples_are_none(finished, tmp_path):
    recipe, run = finished
    path = str(run.path(stages.set_of(ADAPTED, 2)))
    options = replace(recipe.adapt.target, name="webdataset", path=path, error_budget=0.5)

    summary = take_in(source_of(options), options, tmp_path)

    # Parts follow from content alone, so what was a training sample of the target is one here.
    found, trained_on = open_taken(tmp_path), domains.target_samples(recipe, run.folder, "train").keys
    assert summary.read == len(read_samples(Store(path)))
    assert len(found.batch("test", options)) > 0
    assert not set(found.batch("test", options).keys) & set(trained_on)
    assert set(found.batch("train", options).keys) & set(trained_on)


def test_pseudo_labels_are_compared_with_the_truth_when_all_is_done(finished):
    recipe, run = finished
    measured(recipe, run)

    facts = run.record(f"pseudo-labels-{SELF}-1").facts

    truth = domains.measured_samples(recipe, run.folder, "train")
    files = [f"{stage}.safetensors" for stage in stages.members(recipe, SELF, 0)]
    told = fitting.opinions(fitting.members_of(run.folder, files), truth.inputs["image"], recipe.adapt)
    assert facts["given"] == len(truth)
    assert facts["given_right"] == int((told.argmax(1) == truth.labels).sum())
    assert facts["kept_right"] <= facts["kept"] <= facts["given"]


def test_a_translation_goes_on_from_its_checkpoint_to_the_bit(finished, monkeypatch):
    recipe, run = finished
    guides = [f"{stage}.safetensors" for stage in stages.members(recipe, NEAR, 1)]
    before = sha256_of(run.folder / fitting.TRANSLATION)
    monkeypatch.setattr(fitting, "CHECKPOINT_EVERY", 2)
    steps = []

    def interrupted(training, *rest):
        if training.step == 2 and not steps:
            steps.append(training.step)
            raise KeyboardInterrupt
        return advance(training, *rest)

    advance = fitting.cyclegan.advance
    monkeypatch.setattr(fitting.cyclegan, "advance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fitting.fit_translation(recipe, run.folder, guides)
    assert (run.folder / fitting.CHECKPOINT).is_file()
    fitting.fit_translation(recipe, run.folder, guides)

    assert sha256_of(run.folder / fitting.TRANSLATION) == before
    assert not (run.folder / fitting.CHECKPOINT).exists()


def test_a_target_of_another_shape_is_refused_with_what_to_set(tmp_path):
    folder = both_domains(tmp_path / "data")
    x, y = bars(60, seed=1)
    np.savez(folder / "target.npz", x=x.repeat(2, 1).repeat(2, 2), y=y)
    recipe = recipe_of(folder)
    run = open_run(tmp_path / "run", recipe.name)
    run_stages.source(recipe, run)

    with pytest.raises(WrongUse, match=r"target's images are \(1, 16, 16\), the source's \(1, 8, 8\)"):
        stages.target(recipe, run)


def test_a_target_without_labels_is_adapted_to_and_not_measured(finished):
    recipe, run = finished
    blind = replace(recipe, adapt=replace(recipe.adapt, measured="none"))

    found = json.loads(figures.write(blind, run).read_text())

    assert "nothing was measured" in found["said"]
    assert not any(found["arms"].values())
    with pytest.raises(ValueError, match="there is nothing to measure on"):
        measuring.accuracy(blind, run.folder, [])


def test_rounds_before_the_translation_are_those_of_self_training():
    recipe = preset("rendered_to_digits")
    recipe = replace(recipe, adapt=replace(recipe.adapt, rounds=4, warm_up=2))

    assert stages.members(recipe, ADAPTED, 2) == stages.members(recipe, NEAR, 2)
    assert stages.members(recipe, ADAPTED, 3) != stages.members(recipe, NEAR, 3)
    assert stages.members(recipe, SELF, 0) == stages.members(recipe, AUGMENTED, 0)
    assert list(stages.rounds_of(recipe, ADAPTED)) == [3, 4]


def test_each_round_keeps_its_share_of_what_is_surest_of_each_class(finished):
    recipe, run = finished
    count = len(domains.target_samples(recipe, run.folder, "train"))

    kept = [run.record(stages.set_of(NEAR, number)).facts["samples"] for number in (1, 2)]

    assert kept[0] <= 2 * math.ceil(0.8 * count / 2)  # two classes
    assert kept[0] >= 0.8 * count / 2  # at least one of them has as many to choose from
    assert recipe.adapt.kept_in(9) == 1.0


def test_only_classifiers_of_the_upper_bound_depend_on_target_labels(finished):
    recipe, run = finished
    measured(recipe, run)

    stage_names = [name for arm, number in stages.measured(recipe) for name in stages.members(recipe, arm, number)]
    reads = [name for name in stage_names if "target-labelled" in run.record(name).depends.get("inputs", {})]

    assert reads == stages.members(recipe, LABELLED, 0)


def test_labels_pass_between_samples_that_are_alike_in_what_was_asked_for(finished):
    recipe, run = finished
    x = domains.target_samples(recipe, run.folder, "train").inputs["image"]
    (member,) = fitting.members_of(run.folder, [f"{stages.members(recipe, NEAR, 1)[0]}.safetensors"])
    told = fitting.opinions([member], x, recipe.adapt)

    found = {
        alike: fitting.opinions(
            [member], x, replace(recipe.adapt, alike=alike, sharpened=1.0, evened=0.0), passed_on=True
        )
        for alike in ("pixels", "features", "both")
    }

    for alike, view in {"pixels": x, "features": F.normalize(member.trunk(x))}.items():
        expected = spread(view, told, recipe.adapt.neighbours, recipe.adapt.spread)
        torch.testing.assert_close(found[alike], expected)
    torch.testing.assert_close(found["both"], (found["pixels"] + found["features"]) / 2)
    assert not found["pixels"].allclose(found["features"])


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("adapt.rounds", "0", "adapt.rounds must be >= 1, got 0"),
        ("adapt.warm_up", "3", "adapt.warm_up must be >= 0 and < adapt.rounds 3, got 3"),
        ("adapt.spread", "1", r"adapt.spread must lie in \[0, 1\[, got 1"),
        ("adapt.neighbours", "0", "adapt.neighbours must be >= 1, got 0"),
        ("adapt.evened", "2", r"adapt.evened must lie in \[0, 1\], got 2"),
        ("adapt.kept", "0.4,1.2", r"adapt.kept must be shares > 0 and <= 1, one a round, got \[0.4, 1.2\]"),
        ("adapt.sure", "2", r"adapt.sure must lie in \[0, 1\], got 2"),
        ("adapt.alike", "smell", "adapt.alike: Input should be .pixels., .features. or .both., got .smell."),
        ("adapt.fit.objective", "madry", "adapt.fit.objective must be plain"),
        ("adapt.checks.magic", "0", "no 'magic' in generators/checks"),
        ("adapt.search.mix.latent_walk", "0.5", "search.mix must be shares"),
        ("adapt.search.parents", "generated", "its parents be real or translated, got translate and generated"),
        ("adapt.architecture", "oak", "no 'oak' in pipelines/training/models/architectures"),
        ("adapt.cycle.steps", "0", "cycle.steps must be >= 1, got 0"),
        ("adapt.distortion.bend", "-1", "distortion.bend must be >= 0 and finite, got -1"),
        ("search.parents", "translated", "know one domain alone: see adapt.search"),
    ],
)
def test_a_wrong_option_is_refused_with_its_value(option, value, message):
    with pytest.raises(WrongUse, match=message):
        overridden(preset("rendered_to_digits"), {option: value})
