"""What two folders of different modalities probably are to each other: pairs by name, or by class."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from data.errors import WrongUse
from data.guessing import MOST, guess
from data.modalities import Fit, modality
from data.refused import Refused
from data.sources import ENDINGS, Found, Side, SourceOptions, files_of, source_of

SAMPLED = 200
"""Files of sound, features or text of which the length is looked at."""
LONGEST = {"audio": 2**16, "features": 256, "text": 256}
"""Samples, frames or bytes that a recipe asks for at most: what is longer is cut."""
UNITS = {"audio": "samples", "features": "frames", "text": "bytes"}


@dataclass(frozen=True)
class SideGuess:
    """One side of the pairs.

    Attributes:
        modality: what it holds.
        names: of its samples, without folder and ending.
        classes: class name -> samples of it.
        length: samples, frames or bytes that its inputs had better be brought to; 0 where they all have one.
        told: the same in a sentence.
    """

    modality: str
    names: frozenset[str]
    classes: Mapping[str, int]
    length: int
    told: str


@dataclass(frozen=True)
class PairGuess:
    """What two folders probably are to each other.

    Attributes:
        source: as a recipe takes it.
        sides: of the first and of the second folder.
        why_join: why samples are joined by name or by class.
    """

    source: SourceOptions
    sides: tuple[SideGuess, SideGuess]
    why_join: str

    @property
    def classes(self) -> Mapping[str, int]:
        """Class name -> samples of the first side, of classes that both have."""
        first, second = (side.classes for side in self.sides)
        return {name: count for name, count in first.items() if name in second}


def modalities_at(path: str) -> list[str]:
    """Modalities of which a folder, one folder a class, holds files; most files first.

    One with less than half as many files as the first is no modality of it, but a note that lies there.
    """
    counts: Counter[str] = Counter()
    for kind, endings in ENDINGS.items():
        try:
            counts[kind] = len(files_of(SourceOptions(path=path, labelled=0), *endings)[1])
        except WrongUse:
            continue
    most = max(counts.values(), default=0)
    return [kind for kind, count in counts.most_common() if 2 * count >= most]


def guess_pair(first: str, second: str) -> PairGuess:
    """Look at two folders, one folder a class each; or at one folder, named twice, that holds two modalities.

    Raises:
        Damaged: a file is broken from the start, or none of the images can be read.
        WrongUse: both hold the same modality, or they share neither names nor classes.
    """
    kinds = _kinds_of(first, second)
    plain = SourceOptions(name="image_folder", labelled=0)
    sides = tuple(
        _side_of(replace(plain, path=path, modality=kind)) for path, kind in zip((first, second), kinds, strict=True)
    )
    join, why = _join_of(*sides)
    asked = [
        Side("image_folder", path, "" if side.modality == "image" else side.modality, side.length)
        for path, side in zip((first, second), sides, strict=True)
    ]
    pictures = [path for path, kind in zip((first, second), kinds, strict=True) if kind == "image"]
    form = guess(pictures[0]).source if pictures else plain
    share = 0.2 if min(sum(side.classes.values()) for side in sides) < 5000 else 0.1
    source = SourceOptions(
        name="paired",
        labelled=0,
        size=form.size,
        channels=form.channels,
        first=asked[0],
        second=asked[1],
        join=join,  # type: ignore[arg-type]
        validation_share=share,
        test_share=share,
    )
    return PairGuess(source, (sides[0], sides[1]), why)


def _kinds_of(first: str, second: str) -> tuple[str, str]:
    found = [modalities_at(path) for path in (first, second)]
    for path, kinds in zip((first, second), found, strict=True):
        if not kinds:
            raise WrongUse(f"{path} holds no file of a picture, sound, features or text; docs/modalities.md")
    one = found[0][0]
    others = [kind for kind in found[1] if kind != one]
    if not others:
        raise WrongUse(f"both sides of the pair would be {one}: {first} and {second}; docs/modalities.md")
    return one, others[0]


def _side_of(options: SourceOptions) -> SideGuess:
    """The samples of one folder, by name and class, and how long they are."""
    kind, names, classes, lengths = options.modality, set[str](), Counter[str](), list[int]()
    step = max(1, len(files_of(options, *ENDINGS[kind])[1]) // SAMPLED)
    for at, found in enumerate(islice(source_of(options).samples, MOST)):
        names.add(found.name)
        classes[str(found.label)] += 1
        if kind != "image" and at % step == 0:
            lengths.append(_length_of(kind, found))
    if kind == "image":
        return SideGuess(kind, frozenset(names), classes, 0, f"{classes.total()} pictures")
    length, told = _length_for(kind, [one for one in lengths if one], options.path)
    return SideGuess(kind, frozenset(names), classes, length, f"{classes.total()}, {told}")


def _length_for(kind: str, lengths: Sequence[int], path: str) -> tuple[int, str]:
    """What inputs had better be brought to, or 0 where they all have one length; and the same in words."""
    if not lengths:
        raise WrongUse(f"{path}: none of its files of {kind} could be read; docs/modalities.md")
    least, most, unit = min(lengths), max(lengths), UNITS[kind]
    if least == most and kind != "text":
        return 0, f"of {most} {unit}"
    length = min(most, LONGEST[kind])
    return length, f"of {least} to {most} {unit}, brought to {length}"


def _length_of(kind: str, found: Found) -> int:
    """How long a sample is, or 0 where it cannot be read."""
    try:
        values = modality(kind).take(found.content, Fit()).values
    except Refused:
        return 0
    return int(values.shape[-1] if kind == "audio" else np.atleast_1d(values).shape[0])


def _join_of(*sides: SideGuess) -> tuple[str, str]:
    """By name or by class, and why."""
    first, second = sides
    same = len(first.names & second.names)
    fewest = min(len(first.names), len(second.names))
    if 2 * same >= fewest:
        return "id", f"{same} of {fewest} have a partner of the same name"
    shared = set(first.classes) & set(second.classes)
    if len(shared) < 2:
        raise WrongUse(f"the two sides share {same} names and {len(shared)} classes: what makes a pair? source.join")
    return "class", f"names differ, {len(shared)} classes are the same: any two of one class"


def counted(classes: Mapping[str, int], most: int = 12) -> str:
    """Classes and how many each has, as few as fit a line."""
    shown = [f"{name} {count}" for name, count in list(classes.items())[:most]]
    return ", ".join(shown) + (f" and {len(classes) - most} more" if len(classes) > most else "")


def named(sides: Sequence[SideGuess]) -> str:
    """What the sides are, in words."""
    return " and ".join(f"{side.modality} ({side.told})" for side in sides)
