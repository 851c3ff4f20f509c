"""Folders of sound, arrays and texts: taken in as pictures are, and what is bad is named with its file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from data.errors import WrongUse
from data.intake import Summary, take_in
from data.intake_files import QUARANTINE
from data.pairing import open_pairs, take_in_pairs
from data.sources import PARTS, Side, SourceOptions, source_of
from data.taken import open_taken

soundfile = pytest.importorskip("soundfile")
COUNT = 60


def tone(number: int) -> np.ndarray:
    return (np.sin(np.arange(80) * (number + 1) / 9) * 20000).astype(np.int16)


def write_sound(path: Path, number: int) -> None:
    soundfile.write(path.with_suffix(".wav" if number % 2 else ".flac"), tone(number), 8000, subtype="PCM_16")


def write_array(path: Path, number: int) -> None:
    np.save(path.with_suffix(".npy"), np.full((3, 2), number + 1.0), allow_pickle=False)


def write_text(path: Path, number: int) -> None:
    path.with_suffix(".txt").write_text(f"text number {number}")


WRITERS: dict[str, Callable[[Path, int], None]] = {"audio": write_sound, "features": write_array, "text": write_text}
BAD = {
    "audio": ("1/x.flac", b"fLaC, or so it says", "not_audio"),
    "features": ("1/x.npy", b"\x93NUMPY\1\0v\0{'descr': '|O'}", "not_an_array"),
    "text": ("1/x.txt", b"\xff\xfe", "not_text"),
}


def folder_of(kind: str, path: Path) -> SourceOptions:
    for number in range(COUNT):
        (path / str(number % 2)).mkdir(parents=True, exist_ok=True)
        WRITERS[kind](path / str(number % 2) / f"{number:03d}", number)
    length = 20 if kind == "text" else 0
    return SourceOptions(
        name="image_folder", path=str(path), modality=kind, length=length, labelled=0, error_budget=0.1
    )


def read(options: SourceOptions, into: Path) -> Summary:
    return take_in(source_of(options), options, into)


@pytest.mark.parametrize("kind", WRITERS)
def test_every_file_is_a_sample_of_its_folders_class(kind, tmp_path):
    summary = read(options := folder_of(kind, tmp_path / "in"), tmp_path / "out")

    assert (summary.read, summary.quarantined, summary.modality) == (COUNT, {}, kind)
    assert list(summary.class_names) == ["0", "1"]
    assert summary.rate == (8000 if kind == "audio" else 0)
    parts = [open_taken(tmp_path / "out").batch(part, options) for part in PARTS]
    assert sum(map(len, parts)) == COUNT
    assert sum(int((part.labels == 1).sum()) for part in parts) == COUNT // 2


def test_sound_comes_as_it_was_sample_by_sample(tmp_path):
    read(options := folder_of("audio", tmp_path / "in"), tmp_path / "out")

    batches = [open_taken(tmp_path / "out").batch(part, options) for part in PARTS]

    found = torch.cat([batch.inputs["audio"] for batch in batches])
    assert found.shape == (COUNT, 1, 80)
    heard = {tuple((row * 32768).int().flatten().tolist()) for row in found}
    assert heard == {tuple(tone(number).tolist()) for number in range(COUNT)}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_bad_file_is_named_with_its_reason_and_the_others_are_kept(kind, tmp_path):
    options = folder_of(kind, tmp_path / "in")
    name, content, reason = BAD[kind]
    (tmp_path / "in" / name).write_bytes(content)

    summary = read(options, tmp_path / "out")

    (row,) = pq.read_table(tmp_path / "out" / QUARANTINE).to_pylist()
    assert (row["where"], row["reason"]) == (name, reason)
    assert row["detail"]
    assert summary.quarantined == {reason: 1}


def test_sound_of_another_rate_is_quarantined(tmp_path):
    options = folder_of("audio", tmp_path / "in")
    soundfile.write(tmp_path / "in/0/x.wav", tone(99), 16000)

    read(options, tmp_path / "out")

    (row,) = pq.read_table(tmp_path / "out" / QUARANTINE).to_pylist()
    assert (row["where"], row["detail"]) == ("0/x.wav", "16000 samples a second, but most have 8000")


def test_texts_of_different_lengths_say_which_option_they_need(tmp_path):
    options = folder_of("text", tmp_path / "in")
    unlike = SourceOptions(**{**vars(options), "length": 0, "error_budget": 0.9})

    read(unlike, tmp_path / "out")

    details = pq.read_table(tmp_path / "out" / QUARANTINE)["detail"].to_pylist()
    assert len(details) == 10  # "text number 7" is one byte shorter than "text number 17"
    assert set(details) == {"(13,), but most are (14,): see source.length"}


def test_a_modality_that_there_is_not_is_wrong_use(tmp_path):
    with pytest.raises(WrongUse, match="no modality 'smell': there are audio, features, image, text"):
        source_of(SourceOptions(name="image_folder", path=str(tmp_path), modality="smell"))


def test_folders_with_the_same_names_make_pairs(tmp_path):
    sides = {}
    for place, kind in (("first", "audio"), ("second", "features")):
        folder_of(kind, tmp_path / kind)
        sides[place] = Side("image_folder", str(tmp_path / kind), kind)
    options = SourceOptions(name="paired", join="id", labelled=0, **sides)

    take_in_pairs(source_of(options), options, tmp_path / "out")

    pairs = open_pairs(tmp_path / "out")
    for part in PARTS:
        batch = pairs.batch(part, options)
        for sound, array in zip(batch.inputs["audio"], batch.inputs["features"], strict=True):
            number = int(array[0, 0]) - 1
            assert (sound * 32768).int().flatten().tolist() == tone(number).tolist()
