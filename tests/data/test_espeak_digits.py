"""Digits spoken by a synthesiser: a planted program stands in for it, then the real one if there."""

import shutil
import struct
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from data.errors import Damaged, WrongUse
from data.intake import take_in
from data.sources import SourceOptions, source_of
from data.sources.espeak_digits import ACCENTS, PITCH, SPEAKERS, SPEED, saying_of
from data.taken import open_taken

OPTIONS = SourceOptions(name="espeak_digits", labelled=0, drawn=600, validation_share=0.1, test_share=0.2)
LISTED = "".join(f" 5  variant  --/M  {name}  !v/{name}\n" for name in SPEAKERS)
ACCENTED = "".join(f" 5  {name}  --/M  x  gmw/x\n" for name in ACCENTS)
HEADER = b"RIFF\x24\xf0\xff\x7fWAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 22050, 44100, 2, 16)
HEADER += b"data\x00\xf0\xff\x7f"
"""With a length that nothing has, as a program that streams writes it."""


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """Installs an espeak-ng that says the same of every word, and notes what it was asked."""

    def plant(said: bytes, speakers: str = LISTED, ends: int = 0) -> Path:
        for name, content in {"variant": speakers.encode(), "en": ACCENTED.encode(), "said": said}.items():
            (tmp_path / name).write_bytes(content)
        program = tmp_path / "espeak-ng"
        program.write_text(
            "#!/bin/sh\n"
            f"cd {tmp_path}\n"
            'case "$1" in --voices=*) exec cat "${1#--voices=}";; esac\n'
            'echo "$@" >> asked\ncat said\n'
            f"exit {ends}\n"
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        return tmp_path / "asked"

    return plant


def samples_of(content: bytes) -> np.ndarray:
    return np.frombuffer(content[44:], "<i2")


def test_the_list_says_each_digit_by_each_speaker_in_each_accent_as_often():
    words = [saying_of(number) for number in range(2 * 10 * len(SPEAKERS) * len(ACCENTS))]

    said = Counter((word.digit, word.voice) for word in words)
    assert set(said.values()) == {2}
    assert len(said) == 10 * len(SPEAKERS) * len(ACCENTS)
    assert {word.speed for word in words} == set(range(*SPEED))
    assert {word.pitch for word in words} == set(range(*PITCH))


def test_a_word_is_asked_for_as_a_list_and_its_bogus_length_does_not_matter(planted):
    asked = planted(HEADER + bytes(44100))

    source = source_of(replace(OPTIONS, drawn=2))
    first, second = source.samples

    assert source.modality == "audio"
    assert (first.label, second.label) == (0, 1)
    assert sorted(asked.read_text().splitlines()) == [
        "-v en+f1 -s 110 -p 15 --stdout zero",
        "-v en+f1 -s 157 -p 44 --stdout one",
    ]
    assert len(samples_of(first.content)) == 8000


def test_sound_keeps_its_level_when_it_is_resampled_and_ends_in_silence(planted):
    planted(HEADER + np.full(2205, 16384, "<i2").tobytes())

    (word,) = source_of(replace(OPTIONS, drawn=1)).samples

    found = samples_of(word.content)  # a tenth of a second of it: 800 samples
    assert np.abs(found[100:700] - 16384.0).max() < 164
    assert not found[820:].any()


@pytest.mark.parametrize(
    ("said", "ends"), [(HEADER + bytes(2000), 1), (b"", 0), (b"RIFF", 0), (HEADER, 0), (b"fLaC" + bytes(99), 0)]
)
def test_a_program_that_does_not_speak_is_an_error_and_no_silence(said, ends, planted):
    planted(said, ends=ends)

    with pytest.raises(Damaged, match="espeak-ng"):
        list(source_of(replace(OPTIONS, drawn=1)).samples)


def test_a_program_that_would_speak_with_another_voice_is_refused(planted):
    planted(b"", LISTED.replace("!v/klatt", "!v/other"))

    with pytest.raises(WrongUse, match=r"knows no klatt; 1\.51 does"):
        source_of(OPTIONS)


def test_more_words_than_the_list_has_are_refused_before_any_is_spoken():
    different = {saying_of(number) for number in range(4201)}

    assert len(different) == 4200
    with pytest.raises(WrongUse, match=r"has 4200 different words, got source\.drawn 4201"):
        source_of(replace(OPTIONS, drawn=4201))


def test_without_the_program_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(WrongUse, match="apt-get install espeak-ng"):
        source_of(OPTIONS)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="apt-get install espeak-ng")
def test_no_speaker_is_in_two_parts_and_the_same_list_gives_the_same_samples(tmp_path):
    summaries = [take_in(source_of(OPTIONS), OPTIONS, tmp_path / name) for name in ("one", "two")]

    assert summaries[0] == summaries[1]
    assert summaries[0].quarantined == {}
    assert (summaries[0].rate, summaries[0].shape) == (8000, [1, 8000])
    heard = {"train": set[str](), "validation": set[str](), "test": set[str]()}
    for word in source_of(OPTIONS).samples:
        heard[word.part or ""].add(word.where.rpartition("+")[2])
    assert [len(heard[part]) for part in ("train", "validation", "test")] == [42, 6, 12]
    assert len(set.union(*heard.values())) == len(SPEAKERS)
    x = open_taken(tmp_path / "one").batch("test", OPTIONS).inputs["audio"]
    assert (x.abs().amax((1, 2)) > 0.05).all()
    assert len(torch.unique(x.abs().sum((1, 2)))) == len(x)
