"""Synthesis of pairs: coloured pictures and rows of features, three uneven classes, by options alone."""

from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import torch
from PIL import Image

from bench.clips import write_clips
from data.errors import WrongUse
from data.files import sha256_of
from data.manifest import read_manifest
from data.pairing import open_pairs
from data.reading import read_samples
from data.runs import Run, open_run
from data.shards import read_index
from data.store import Store
from data.verify import verify
from generators.alignment import lags
from generators.margins import margins_of
from generators.paired_options import SyncOptions
from pipelines.recipes import Recipe, overridden, preset
from pipelines.training import sets, stages
from pipelines.training.events import stages as events
from pipelines.training.planning import plan_of
from pipelines.training.rounds import stages as rounds
from pipelines.training.synthesis import fitting, pages, walking
from pipelines.training.synthesis import stages as synthesis
from pipelines.training.synthesis.options import SynthesisOptions

CLASSES = {"ant": 30, "bee": 22, "cow": 14}
TINY = {
    "source.first.name": "image_folder",
    "source.second.name": "image_folder",
    "source.second.modality": "features",
    "source.validation_share": "0.2",
    "source.test_share": "0.2",
    "events.features": "4",
    "events.hidden": "8",
    "events.warm": "60",
    "events.shift.image": "0",
    "events.shift.features": "0",
    "synthesis.ways.paired_latent": "24",
    "synthesis.ways.cross_modal_image": "16",
    "synthesis.ways.cross_modal_features": "16",
    "synthesis.ways.latent_walk_image": "16",
    "synthesis.ways.latent_walk_features": "16",
    "synthesis.walk.band": "1000",
    "synthesis.walk.steps": "5",
    "synthesis.ways.synchronised": "12",
    "synthesis.agreed": "0",
    "synthesis.agreed_near": "0",
    "synthesis.apart": "0",
    "synthesis.shards": "2",
    "synthesis.measured": "30",
    "synthesis.gan.steps": "6",
    "synthesis.gan.features": "4",
    "synthesis.gan.discriminator_features": "8",
    "synthesis.gan.latent": "4",
    "synthesis.gan.batch_size": "8",
}


@pytest.fixture(scope="module", autouse=True)
def without_processes():
    """Stages do their work here: what is tested is what they leave behind."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (stages, sets, events, rounds, synthesis):
            patch.setattr(module, "in_worker", lambda work, *args, **more: (work(*args, **more), 0.0))
        yield


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, str]:
    """Pictures 10 x 6 in red, green or blue, and rows of 4 frames whose first feature is the class."""
    place, rng = tmp_path_factory.mktemp("pairs"), np.random.default_rng(0)
    for label, (name, count) in enumerate(CLASSES.items()):
        for folder in ("pictures", "rows"):
            (place / folder / name).mkdir(parents=True)
        for number in range(count):
            picture = rng.integers(0, 90, (10, 6, 3), dtype=np.uint8)
            picture[..., label] += 120
            Image.fromarray(picture).save(place / "pictures" / name / f"{number}.png")
            row = rng.normal(size=(4, 5)).astype(np.float32)
            row[:, 0] += 3 * label
            np.save(place / "rows" / name / f"{number}.npy", row)
    return {"source.first.path": str(place / "pictures"), "source.second.path": str(place / "rows")}


@pytest.fixture(scope="module")
def recipe(folders) -> Recipe:
    return changed(preset("spoken_mnist"), {**TINY, **folders})


@pytest.fixture(scope="module")
def finished(recipe, tmp_path_factory) -> Run:
    """Who changes anything in it takes a copy."""
    return gone_through(recipe, tmp_path_factory.mktemp("finished") / "run")


@pytest.fixture
def run(recipe, finished, tmp_path) -> Run:
    """A finished run of one's own."""
    return open_run(copytree(finished.folder, tmp_path / "run"), recipe.called)


def changed(recipe: Recipe, options: dict[str, str]) -> Recipe:
    return overridden(recipe, options)


def gone_through(recipe: Recipe, folder: Path) -> Run:
    run = open_run(folder, recipe.called)
    stages.source(recipe, run)
    for name in recipe.events.modalities:
        for fold in range(recipe.judges.folds):
            events.judge(recipe, run, name, fold)
    synthesis.everything(recipe, run)
    return run


def samples_of(run: Run) -> list:
    return read_samples(Store(str(run.path("synthesis"))))


def rows_of(run: Run, recipe: Recipe) -> dict[str, list[dict]]:
    """Way -> the rows of its draft's manifest."""
    drafts = Store(str(run.path("drafts/synthesis")))
    names = {way: f"train-{number:06d}.parquet" for number, way in enumerate(recipe.synthesis.asked)}
    return {way: read_manifest(drafts, [name]).to_pylist() for way, name in names.items()}


def bytes_of(run: Run) -> dict[str, str]:
    made = [*run.folder.glob("synthesis-*.safetensors"), *run.path("synthesis").rglob("*")]
    return {str(path.relative_to(run.folder)): sha256_of(path) for path in made if path.is_file()}


def test_every_way_leaves_pairs_whose_given_part_is_bit_by_bit_a_training_member(recipe, finished):
    run = finished

    real = open_pairs(run.path("source"))
    known = {n: {x.numpy().tobytes() for x in s.batch("train", recipe.source).inputs[n]} for n, s in real.sides.items()}
    found = samples_of(run)
    assert {sample.search for sample in found} == set(recipe.synthesis.asked)
    for sample in found:
        fresh = {
            n
            for n, v in sample.inputs.items()
            if (v.float() / (255 if n == "image" else 1)).numpy().tobytes() not in known[n]
        }
        if sample.search.startswith("cross_modal_"):
            assert (
                fresh == {sample.search.removeprefix("cross_modal_")} == {n for n, far in sample.moved.items() if far}
            )
        elif sample.search.startswith("latent_walk_"):
            assert (
                fresh == {sample.search.removeprefix("latent_walk_")} >= {n for n, far in sample.moved.items() if far}
            )
        elif sample.search == "paired_latent":
            assert fresh == set(real.sides)
    assert not verify(Store(str(run.path("synthesis"))))


def test_parents_are_the_members_that_a_pair_holds_and_no_member_of_another_part_is_ever_one(recipe, finished):
    run = finished

    sides = open_pairs(run.path("source")).sides
    train = {name: set(side.batch("train", recipe.source).keys) for name, side in sides.items()}
    told = rows_of(run, recipe)
    of_way = {way: {parent for row in rows for parent in row["parents"]} for way, rows in told.items()}
    assert of_way["paired_latent"] == set()
    assert of_way["cross_modal_image"] | of_way["latent_walk_image"] <= train["features"]
    assert of_way["cross_modal_features"] | of_way["latent_walk_features"] <= train["image"]
    assert of_way["synchronised"] <= train["image"] | train["features"]
    assert {len(row["parents"]) for row in told["synchronised"]} == {2}
    assert all({"sync_time", "sync_gain", "sync_flip"} <= dict(row["scores"]).keys() for row in told["synchronised"])


def test_the_same_recipe_makes_the_same_bytes_and_a_gan_stopped_half_way_goes_on_to_the_bit(
    recipe, finished, tmp_path, monkeypatch
):
    monkeypatch.setattr(fitting, "CHECKPOINT_EVERY", 2)
    advance, done = fitting.paired_gan.advance, []

    def until_the_fifth_step(*given):
        if len(done) == 5:
            done.append("stopped")
            raise KeyboardInterrupt
        done.append("step")
        return advance(*given)

    monkeypatch.setattr(fitting.paired_gan, "advance", until_the_fifth_step)
    with pytest.raises(KeyboardInterrupt):
        gone_through(recipe, tmp_path / "broken")
    again = gone_through(recipe, tmp_path / "broken")

    assert bytes_of(again) == bytes_of(finished)
    assert done.count("step") == 3 * 6 + 1  # of the first GAN, one step after the checkpoint was done twice


def test_a_plan_names_every_stage_beforehand_and_none_afterwards(recipe, finished, tmp_path):
    before = plan_of(recipe, tmp_path / "none yet", "synthesise")
    after = plan_of(recipe, finished.folder, "synthesise")

    records = finished.path("stages")
    done = {str(path.relative_to(records).with_suffix("")) for path in records.rglob("*.json")}
    assert {stage.name for stage in before.todo} == done
    assert not after.todo


def test_checks_refuse_what_judges_deny_and_what_is_a_copy(recipe, run):
    """No judge gives a class all of its belief, and nothing is a thousand times as far from all that is known."""
    strict = changed(recipe, {"synthesis.agreed": "1", "synthesis.agreed_near": "1"})
    copies = changed(recipe, {"synthesis.apart": "1000"})

    denied, copied = ({}, {})
    for found, other in ((denied, strict), (copied, copies)):
        for way in recipe.synthesis.asked:
            synthesis.draft(other, run, way)
        found |= {way: {row["reason"] for row in rows} for way, rows in rows_of(run, recipe).items()}

    assert all(reasons <= {"judged_image", "judged_features"} for reasons in denied.values())
    assert copied["cross_modal_image"] == {"copied_image"}
    assert copied["cross_modal_features"] == copied["paired_latent"] == {"copied_features"}
    assert copied["synchronised"] == {""}  # transformed real events are no copies of themselves


def test_a_walk_that_ends_far_from_the_boundary_is_refused_as_such(recipe, run):
    narrow = changed(recipe, {"synthesis.walk.band": "1e-6", "synthesis.walk.steps": "1"})

    synthesis.draft(narrow, run, "latent_walk_image")

    rows = rows_of(run, recipe)["latent_walk_image"]
    assert {row["reason"] for row in rows} == {"margin_band"}
    assert all(abs(row["margin"]) > 1e-6 and "disagree" in dict(row["scores"]) for row in rows)


@pytest.mark.parametrize("head", ["alone", "joint"])
def test_margins_are_those_of_the_head_that_is_walked_to(recipe, run, head):
    """Walked features: float32 in the shard, so that nothing is lost on the way back."""
    other = changed(recipe, {"synthesis.walk.head": head})
    synthesis.everything(other, run)

    walked = [sample for sample in samples_of(run) if sample.search == "latent_walk_features"]
    x = {"features": torch.stack([sample.inputs["features"] for sample in walked])}
    x["image"] = torch.stack([sample.inputs["image"] for sample in walked]).float() / 255
    labels = torch.tensor([sample.label for sample in walked])
    said = walking.head_of(walking.attacked(run.folder), "features", head)(x)
    assert torch.allclose(margins_of(said, labels), torch.tensor([sample.margin for sample in walked]), atol=1e-5)


def test_another_way_beside_it_changes_nothing_of_what_a_way_makes(recipe, run, finished):
    alone = changed(recipe, {f"synthesis.ways.{way}": "0" for way in recipe.synthesis.asked if way != "synchronised"})

    synthesis.draft(alone, run, "synchronised")

    mine, among_others = rows_of(run, alone)["synchronised"], rows_of(finished, recipe)["synchronised"]
    assert {row["sha256"] for row in mine} == {row["sha256"] for row in among_others}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"synthesis.ways.latent_walk_audio": "5"}, "latent_walk_audio"),
        ({"synthesis.ways.cross_modal_audio": "5"}, "cross_modal_audio"),
        ({f"synthesis.ways.{way}": "0" for way in preset("spoken_mnist").synthesis.ways}, "makes no pairs"),
    ],
)
def test_what_cannot_be_made_is_refused(recipe, options, said):
    wrong = changed(recipe, options)

    with pytest.raises(WrongUse, match=said):
        synthesis.must_be_possible(wrong)


@pytest.mark.parametrize("options", [{"ways": {"dreams": 3}}, {"ways": {"paired_latent": -1}}, {"agreed_near": 1.5}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=r"synthesis\."):
        SynthesisOptions(**options)


@pytest.mark.parametrize(("option", "value"), [("head", "gate"), ("steps", "0"), ("band", "0"), ("sides", "left")])
def test_a_walk_out_of_range_is_refused_by_its_full_name(recipe, option, value):
    with pytest.raises(WrongUse, match=rf"synthesis\.walk\.{option}\b"):
        changed(recipe, {f"synthesis.walk.{option}": value})


def test_a_set_says_whose_margins_its_samples_have(finished):
    facts = read_index(Store(str(finished.path("synthesis"))))

    assert facts.facts["margins"]["latent_walk_image"] == "round-model-0, alone"
    assert facts.facts["margins"]["paired_latent"] == "consensus"


def test_the_report_names_every_way_and_its_control(recipe, run, capsys):
    pages.show_report(pages.write(recipe, run))

    found = pages.figures_of(recipe, run)["ways"]
    assert all({"real", "kept"} <= set(found[way]) for way in recipe.synthesis.asked)
    assert all(
        {"unfiltered", "control", "trained", "diversity"} <= set(found[way]) for way in recipe.synthesis.generated
    )
    assert {"unwalked", "hardness"} <= set(found["latent_walk_image"])
    printed = capsys.readouterr().out
    assert all(said in printed for said in ("control", "before the walk"))


def test_pictures_and_sounds_made_by_one_draw_are_in_step_in_the_shards_too(tmp_path):
    base = preset("spoken_mnist")
    ways = SynthesisOptions({"synchronised": 30}, sync=SyncOptions(time=0.1, columns="time"), agreed=0, shards=1)
    small = replace(
        base.events, epsilon={"image": 0.1, "audio": 0.01}, reach={}, shift={}, warm=2, features=2, hidden=4
    )
    source = write_clips(tmp_path / "clips", "strips", 12, np.random.default_rng(0))
    run = gone_through(replace(base, source=source, events=small, synthesis=ways), tmp_path / "run")

    found = samples_of(run)
    image, audio = (torch.stack([sample.inputs[name] for sample in found]).float() for name in ("image", "audio"))
    assert len(found) == 30
    assert lags(image / 255, audio / 32768).abs().max() <= 1
    assert len({sample.moved["audio"] for sample in found}) > 20  # each by a draw of its own


def test_a_way_of_which_nothing_is_kept_is_reported_as_such(recipe, tmp_path, capsys):
    far = changed(recipe, {"synthesis.apart": "1000", "synthesis.measured": "1"})  # synchronised ones are no copies

    run = gone_through(far, tmp_path / "run")

    pages.show_report(pages.write(far, run))
    found = pages.figures_of(far, run)["ways"]
    assert {sample.search for sample in samples_of(run)} == {"synchronised"}
    assert found["paired_latent"]["kept"] == {}
    assert found["paired_latent"]["diversity_kept"] == {"features": 0.0, "image": 0.0}
    assert "before checks" in capsys.readouterr().out


def test_who_hears_silence_elsewhere_is_trained_anew(recipe, run):
    before = run.record("synthesis-examiner-image"), run.record("synthesis-encoder-image")

    quieter = changed(recipe, {"events.quiet": "0.1"})
    after = synthesis.examiner(quieter, run, "image"), synthesis.encoder(quieter, run, "image")

    assert all(one.key != other.key for one, other in zip(before, after, strict=True))


@pytest.mark.slow
def test_pairs_of_one_latent_agree_and_those_drawn_apart_do_not(recipe, tmp_path):
    """Colours and offsets are easily made: if the examiners do not name them alike, nothing works."""
    torch.set_num_threads(1)
    longer = changed(
        recipe,
        {
            "synthesis.gan.steps": "400",
            "synthesis.gan.features": "8",
            "synthesis.gan.discriminator_features": "64",
            "synthesis.gan.batch_size": "16",
            "synthesis.ways.paired_latent": "60",
            "synthesis.ways.cross_modal_features": "0",
            "synthesis.measured": "120",
            "events.warm": "150",
        },
    )
    run = gone_through(longer, tmp_path / "run")

    paired = synthesis.figures(longer, run, "paired_latent").facts
    crossed = synthesis.figures(longer, run, "cross_modal_image").facts

    assert paired["unfiltered"]["right"] > 0.8
    assert crossed["unfiltered"]["right_image"] > 0.8
    assert paired["control"]["right"] < 0.6
    assert crossed["control"]["right_image"] < 0.6
