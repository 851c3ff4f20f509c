"""Rated texts out of an archive that a user fetched: a planted one, then the published one if it is named."""

import hashlib
import io
import os
import tarfile
import zipfile
from dataclasses import replace

import pytest

from data.errors import Damaged, WrongUse
from data.intake import take_in
from data.modalities.text import strings
from data.sources import PARTS, SourceOptions, rated_texts, source_of
from data.taken import open_taken

TEXTS = {
    "tweets": [(2.0, "I love &amp; need this"), (1.4, "nice"), (-1.5, "so bad"), (-3, "so bad")],
    "movieReviewSnippets": [(-2.5, "größter Unsinn"), (3.0, "x" * 129)],
    "amazonReviewSnippets": [(0.1, "it is a phone"), (1.5, "works\twell")],
}


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """Writes an archive with these texts in the place of the published ones, and takes its digest for theirs."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for kind, rows in TEXTS.items():
            content = "".join(f"{n}\t{rating}\t{text}\r\n" for n, (rating, text) in enumerate(rows)).encode()
            member = tarfile.TarInfo(f"hutto_ICWSM_2014/{kind}_GroundTruth.txt")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    path = tmp_path / "vaderSentiment-0.5.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(rated_texts.INNER, out.getvalue())
    monkeypatch.setattr(rated_texts, "SHA256", hashlib.sha256(out.getvalue()).hexdigest())
    return SourceOptions(name="rated_texts", path=str(path), labelled=0)


def test_what_is_clear_and_short_is_positive_or_negative_whole_and_padded(planted):
    found = list(source_of(planted).samples)

    said = [(bytes(one.content).rstrip(b"\0").decode(), one.label) for one in found]
    assert said == [("I love & need this", 1), ("so bad", 0), ("so bad", 0), ("größter Unsinn", 0), ("works\twell", 1)]
    assert {len(one.content) for one in found} == {128}


def test_a_longer_limit_lets_longer_texts_in(planted):
    found = list(source_of(replace(planted, length=200)).samples)

    assert len(found) == 6
    assert {len(one.content) for one in found} == {200}


def test_a_text_that_comes_twice_is_taken_once(planted, tmp_path):
    summary = take_in(source_of(planted), replace(planted, error_budget=0.5), tmp_path / "taken")

    assert sum(sum(part.values()) for part in summary.kept.values()) == 4
    assert summary.quarantined == {"duplicate": 1}


def test_another_archive_is_refused(planted, monkeypatch):
    monkeypatch.setattr(rated_texts, "SHA256", "0" * 64)

    with pytest.raises(Damaged, match="is not the published one: fetch it again, pip download"):
        source_of(planted)


def test_without_the_archive_it_says_what_to_fetch(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"no archive")

    with pytest.raises(WrongUse, match=r"source\.path is missing: .* pip download --no-deps --no-binary :all: vader"):
        source_of(SourceOptions(name="rated_texts"))
    with pytest.raises(WrongUse, match=r"is no vaderSentiment-0\.5\.zip"):
        source_of(SourceOptions(name="rated_texts", path=str(tmp_path / "a.zip")))


@pytest.mark.skipif("HARDSHARD_RATED_TEXTS" not in os.environ, reason="needs the archive that rated_texts names")
def test_the_published_texts_are_in_one_part_each(tmp_path):
    options = SourceOptions(name="rated_texts", path=os.environ["HARDSHARD_RATED_TEXTS"], labelled=0)
    summary = take_in(source_of(options), options, tmp_path)

    parts = [strings(open_taken(tmp_path).batch(part, options).inputs["text"]) for part in PARTS]
    assert len({text for part in parts for text in part}) == sum(map(len, parts)) == 7645
    assert summary.modality == "text"
