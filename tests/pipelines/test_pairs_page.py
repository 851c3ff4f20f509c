"""report.html of a run on pairs: examples of every modality, charts known on paper, one file that asks for nothing."""

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from page_rules import broken_rules
from PIL import Image

import data.modalities
from data.drafts import Judged
from data.forms import Form
from data.plugins import plugin_names
from data.records import Batch, Candidates, Verdict
from pipelines.training.events.examples import Example, read_examples, write_examples
from pipelines.training.events.pages import rows_of
from pipelines.training.pages import charts, pairs
from pipelines.training.pages.inputs import shown

FORMS = {
    "audio": Form((1, 4000), 8000),
    "features": Form((4, 3), unit=(1.0, 2.0, 4.0)),
    "image": Form((3, 6, 10)),
    "text": Form((12,)),
}
VALUES = {
    "audio": (np.sin(np.arange(4000)[None] * 2 * np.pi * 1000 / 8000) * 20000).astype(np.int16),
    "features": np.arange(12, dtype=np.float32).reshape(4, 3),
    "image": np.arange(180, dtype=np.uint8).reshape(3, 6, 10),
    "text": np.frombuffer(b"<i>ant</i>\0\0", np.uint8),
}
EXAMPLE = Example(VALUES, VALUES, dict.fromkeys(VALUES, 0.0), 1, "adversarial_audio", "", (1, 0), (0.98, 0.6))
ARM = {
    "events": 12,
    "clean": 99.0,
    "single": {"audio": 90.0, "image": 95.0},
    "without": {"audio": 96.0, "image": 97.0},
    "agree": {"clean": 94.0, "audio": 92.0, "image": 93.0},
    "multi": 80.0,
}
MADE = [
    {"round": number, "against": "ab" * 32, "attack_success": rate, "on_newest": 0.1, "archive": [], "dropped": []}
    for number, rate in ((1, 0.8), (2, 0.4), (3, 0.2))
]
FIGURES = {
    "recipe": "<b>pairs</b>",
    "seed": 0,
    "said": "A planted verdict.",
    "source": {
        "class_names": ["bee", "<i>ant</i>"],
        "read": 4,
        "kept": {"train": {"bee": 2}},
        "quarantined": {"audio empty": 1},
        "sides": list(FORMS),
    },
    "epsilon": {"audio": 0.01, "image": 0.2},
    "part": "test",
    "made": MADE,
    "candidates": {"adversarial_audio": {"attempted": 10, "kept": 4, "refused": {"untouched": 6}}},
    "arms": {"rounds": ARM, "attack in the loop": ARM, "plain": {**ARM, "clean": 50.0}},
}


@pytest.fixture(scope="module")
def page() -> str:
    moved = replace(EXAMPLE, moved={**EXAMPLE.moved, "audio": 0.013, "text": 2.0})
    refused = replace(EXAMPLE, moved={**EXAMPLE.moved, "image": 0.25}, reason="untouched")
    return pairs.render(FIGURES, rows_of(FIGURES["arms"]), {1: [moved, refused], 3: []}, FORMS)  # type: ignore[arg-type]


def pixels_of(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_a_tone_is_one_bright_line_at_its_height_in_the_spectrogram():
    (found,) = shown("audio", [VALUES["audio"]], FORMS["audio"])

    rows = pixels_of(found.picture).astype(int).sum(2).mean(1)  # low tones at the bottom
    height = (len(rows) - 1 - int(rows.argmax())) / (len(rows) - 1)
    assert height == pytest.approx(1000 / 4000, abs=0.01)
    assert found.sound.startswith("data:audio/flac;base64,")


@pytest.mark.parametrize("name", plugin_names(data.modalities))
def test_every_modality_can_be_shown(name):
    before, after = shown(name, [VALUES[name], VALUES[name]], FORMS[name])

    assert before == after
    assert before.picture or before.text


def test_before_and_after_share_one_scale():
    before, after = shown("features", [VALUES["features"], 2 * VALUES["features"]], FORMS["features"])

    dark, bright = pixels_of(before.picture), pixels_of(after.picture)
    cell = dark.shape[1] // 4
    assert (dark[-1, 2 * cell] == bright[-1, cell]).all()  # the first feature is 0, 3, 6, 9: 6 in both
    assert (dark[-1, 2 * cell] != bright[-1, 2 * cell]).any()


def test_features_stand_as_frames_across_and_each_in_its_own_unit():
    (found,) = shown("features", [VALUES["features"]], FORMS["features"])

    pixels = pixels_of(found.picture)
    assert pixels.shape[:2] == (96, 96)
    changes = [int((np.diff(pixels.astype(int), axis=axis) != 0).any((1 - axis, 2)).sum()) for axis in (0, 1)]
    assert changes == [2, 3]  # three features, one above the other; four frames


def test_examples_come_back_as_they_were_written_with_what_the_model_said(tmp_path):
    def model(x):  # one pixel decides
        light = x["image"].flatten(1)[:, 0]
        return torch.stack([light, 1 - light], 1) * 10

    x = {"image": torch.tensor([0.9, 0.4, 0.8]).view(3, 1, 1, 1).round(decimals=1), "text": torch.zeros(3, 2).byte()}
    x["image"] = (x["image"] * 255).round() / 255
    starts = {**x, "image": torch.zeros(3, 1, 1, 1)}
    batch = Batch(("a", "b", "c"), x, torch.tensor([1, 1, 0]))
    made = Candidates(batch, "adversarial_image", ((), (), ()), starts, torch.zeros(3), torch.tensor([-8.0, 2.0, 6.0]))
    kept = torch.tensor([True, True, False])
    verdict = Verdict.of("untouched", kept, torch.zeros(3))
    forms = {"image": Form((1, 1, 1)), "text": Form((2,))}

    write_examples(tmp_path / "a.npz", [Judged(made, verdict, torch.full((3, 2), 0.5))], model, forms)
    found = read_examples(tmp_path / "a.npz")

    assert [(one.label, one.reason, one.said) for one in found] == [(1, "", (1, 1)), (0, "untouched", (1, 0))]
    assert found[0].values["image"].item() == 102
    assert found[0].starts["image"].item() == 0
    assert found[0].moved == {"image": pytest.approx(0.4), "text": 0}
    assert found[1].sure[0] == pytest.approx(1 / (1 + np.exp(-10)))


def test_the_last_round_stands_lower_when_fewer_are_fooled():
    against, newest = charts.rounds_of(MADE, height=230).lines

    assert [y for _, y in against.dots] == [10.0, 100.0, 145.0]  # 80, 40 and 20 % of 80 on 180 units above 190
    assert against.said == "80.0 to 20.0 %"
    assert len({y for _, y in newest.dots}) == 1


def test_every_arm_has_its_mark_on_a_scale_from_0_to_100():
    (row,) = charts.contests_of({"clean": [100.0, 50.0, 0.0]}).rows

    assert row.places == [408, 210, 12]
    assert row.said == "100.0 · 50.0 · 0.0"


def test_the_page_shows_each_modality_before_and_after_and_how_far_it_went(page):
    assert "audio, moved by 0.013 of full scale" in page
    assert "image, moved by 0.25 of the range from black" in page
    assert "Before it said &lt;i&gt;ant&lt;/i&gt; (98 %), after it bee (60 %)." in page
    assert page.count("untouched</figcaption>") == 2 + 3
    assert page.count("<audio") == 2 + 1
    assert "refused: untouched" in page
    assert "Nothing was kept." in page  # of round 3


def test_the_page_fits_a_phone_follows_the_theme_fetches_nothing_and_is_readable_without_eyes(page):
    assert not broken_rules(page)


def test_names_and_texts_are_shown_and_not_obeyed(page):
    assert "<b>pairs" not in page
    assert "<i>ant" not in page
    assert "<q>&lt;i&gt;ant&lt;/i&gt;</q>" in page
