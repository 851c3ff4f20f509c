"""Coloured pictures of 64 x 64 with captions, three uneven classes: a folder and options of a recipe of one's own."""

import io
import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import webdataset as wds
from PIL import Image

from data.errors import WrongUse
from data.forms import Form
from data.modalities import modality
from data.pairing import open_pairs
from data.reading import read_samples
from data.records import Batch
from data.runs import Run, open_run
from data.store import Store
from data.verify import verify
from data.words import Words
from generators.spelling import padded
from generators.text_attacks import Rules
from generators.text_attacks.letters import letters
from pipelines.recipes import overridden, preset
from pipelines.training import sets, stages
from pipelines.training.events import stages as events
from pipelines.training.events.measuring import accuracy_of, attacked_in_all
from pipelines.training.events.options import EventOptions
from pipelines.training.models.fusion import Fusion, FusionShape
from pipelines.training.rounds import stages as rounds

CLASSES = {
    "apple": (40, "a shiny red apple on the kitchen table"),
    "leaf": (24, "some green leaf under morning light"),
    "lake": (12, "that quiet blue lake behind mountains"),
}
EPSILON = {"image": 8 / 255, "text": 2}
RECIPE = """
preset = "own"
[source]
name = "paired"
join = "id"
labelled = 0
validation_share = 0.2
test_share = 0.2
[source.first]
name = "image_folder"
[source.second]
name = "image_folder"
modality = "text"
length = 64
[judges]
folds = 2
[rounds]
count = 2
candidates = 24
steps = 6
search.steps = 3
[events]
features = 4
hidden = 8
warm = 60
judged = 0
samples = 12
steps = 4
restarts = 1
epsilon.image = 0.03137254901960784
epsilon.text = 2
reach.text = 1
reach.image = 1
"""


@pytest.fixture
def words(tmp_path) -> list[str]:
    """Command line of the recipe and the folders it is about: a picture and a caption of one name each."""
    draw = np.random.default_rng(0)
    for label, (name, (count, caption)) in enumerate(CLASSES.items()):
        for folder in ("pictures", "captions"):
            (tmp_path / folder / name).mkdir(parents=True)
        for number in range(count):
            picture = draw.integers(0, 90, (64, 64, 3), dtype=np.uint8)
            picture[..., label] += 120
            Image.fromarray(picture).save(tmp_path / "pictures" / name / f"{number}.png")
            (tmp_path / "captions" / name / f"{number}.txt").write_text(f"{caption} number {number}")
    (tmp_path / "mine.toml").write_text(RECIPE)
    sides = {"first": "pictures", "second": "captions"}
    paths = [word for side, folder in sides.items() for word in (f"--source.{side}.path", str(tmp_path / folder))]
    return [str(tmp_path / "mine.toml"), "--run", str(tmp_path / "run"), *paths]


def made(words: list[str], monkeypatch) -> Run:
    """The rounds of the recipe, its stages' work done here."""
    for module in (stages, sets, rounds, events):
        monkeypatch.setattr(module, "in_worker", lambda work, *args, **more: (work(*args, **more), 0.0))
    options = dict(zip([word.removeprefix("--") for word in words[3::2]], words[4::2], strict=True))
    recipe = overridden(preset(words[0]), options)
    run = open_run(Path(words[2]), recipe.called)
    stages.source(recipe, run)
    for name in recipe.events.modalities:
        for fold in range(recipe.judges.folds):
            events.judge(recipe, run, name, fold)
    rounds.first_model(recipe, run)
    for number in range(1, recipe.rounds.count + 1):
        rounds.round_set(recipe, run, number)
        rounds.round_model(recipe, run, number)
    return run


def test_each_sample_has_its_picture_or_its_caption_attacked_within_its_ball_and_the_other_is_a_real_one(
    words, monkeypatch
):
    run = made(words, monkeypatch)

    pairs, options = open_pairs(run.path("source")), preset(words[0]).source
    known = {
        name: {x.numpy().tobytes() for x in all_of} for name, all_of in pairs.batch("train", options).inputs.items()
    }
    assert sum(pairs.summary.kept["train"].values()) == len(pairs.batch("train", options))
    for number in (1, 2):
        store = Store(str(run.path(f"rounds/{number}")))
        found = read_samples(store)
        assert not verify(store)
        assert {sample.search for sample in found} == {"adversarial_image", "adversarial_text"}
        for sample in found:
            name = sample.search.removeprefix("adversarial_")
            (other,) = {"image", "text"} - {name}
            assert sample.moved[name] <= EPSILON[name] + 0.5 / 255 + 1e-5
            assert sample.moved[other] == 0
            assert modality(other).floats(sample.inputs[other]).numpy().tobytes() in known[other]
        assert max(sample.moved["text"] for sample in found) >= 1


def test_webdataset_reads_the_pictures_and_captions_as_they_are(words, monkeypatch):
    run = made(words, monkeypatch)

    seen = list(wds.WebDataset(str(run.path("rounds/1/train-000000.tar")), shardshuffle=False))

    kept = {sample.key: sample for sample in read_samples(Store(str(run.path("rounds/1"))))}
    assert kept.keys() == {one["__key__"] for one in seen}
    for one in seen:
        sample = kept[one["__key__"]]
        pixels = np.asarray(Image.open(io.BytesIO(one["png"])))
        assert np.array_equal(pixels, sample.inputs["image"].permute(1, 2, 0).numpy())
        assert one["txt"] == bytes(sample.inputs["text"].numpy()).rstrip(b"\0")
        assert int(one["cls"]) == sample.label


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_one_command_and_a_recipe_file_harden_pictures_and_captions(words, tmp_path):
    subprocess.run([sys.executable, "-m", "pipelines.cli", "run", *words], check=True, capture_output=True)

    figures = json.loads((tmp_path / "run" / "report.json").read_text())
    assert set(figures["arms"]) == {"rounds", "attack in the loop", "plain"}
    for arm in figures["arms"].values():
        assert set(arm["single"]) == {"image", "text"}
        assert arm["multi"] <= arm["clean"]
    assert [made["round"] for made in figures["made"]] == [1, 2]


def test_a_gate_is_attacked_through_its_texts_too_and_by_both_at_once_at_least_as_hard():
    torch.manual_seed(0)
    forms, words = {"image": Form((3, 64, 64)), "text": Form((16,))}, Words(frozenset())
    model = Fusion(FusionShape(forms, 3, 4, 8, gate=True)).eval().requires_grad_(False)
    x = {"image": torch.rand(6, 3, 64, 64), "text": padded([b"green leaf", b"quiet lake"] * 3, 16)}
    batch = Batch(tuple("abcdef"), x, model(x).argmax(1))
    options = EventOptions({"image": 0.1, "text": 2.0}, steps=4, restarts=1)

    def attacks(name, attack):
        return partial(letters, rules=Rules(words)) if name == "text" else attack

    found = accuracy_of(model, batch, options, attacks, "a test")

    assert list(found.broken["text"])[:3] == ["letters", "gate all, ce", "gate all, margin"]
    assert found.clean == "111111"
    assert found.multi.count("1") <= min(one.count("1") for one in found.single.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"events.epsilon.text": "0.5"}, r"events\.epsilon\.text counts edits and must be >= 1, got 0\.5"),
        ({"events.shift.text": "3"}, r"events\.shift takes image, features or audio"),
    ],
)
def test_options_that_make_no_sense_of_text_are_refused_before_any_work(options, message):
    with pytest.raises(WrongUse, match=message):
        overridden(preset("own"), {"source.name": "paired", "events.epsilon.image": "0.1", **options})


class Startled:
    """Wrong only where a text has a z and the picture is exactly grey, so that any move of the picture mends it."""

    shape = SimpleNamespace(forms={"image": Form((1, 2, 2)), "text": Form((8,))}, classes=2)

    def holding(self, inputs, _):
        return inputs

    def __call__(self, x):
        wrong = (x["image"] == 0.5).flatten(1).all(1) & (x["text"] == ord("z")).any(1)
        return torch.stack([~wrong, wrong], 1) + 0 * x["image"].flatten(1).sum(1, keepdim=True)


def test_what_edits_of_the_text_alone_break_is_broken_when_all_are_attacked():
    x = {"image": torch.full((2, 1, 2, 2), 0.5), "text": padded([b"fine", b"fine"], 8)}
    batch = Batch(("a", "b"), x, torch.tensor([0, 0]))

    def first_to_z(model, texts, *_):
        return padded([b"zine", b"fine"], 8)

    options = EventOptions(epsilon=EPSILON, steps=2)
    robust = attacked_in_all(
        Startled(), batch, options, torch.Generator().manual_seed(0), lambda n, a: first_to_z if n == "text" else a
    )

    assert robust.tolist() == [False, True]
