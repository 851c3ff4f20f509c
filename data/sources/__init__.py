"""Real samples as others keep them: one file a source, which exports a function of its own name.

A source tells what it holds, sample by sample and unchecked: `(SourceOptions) -> Source`. data/intake.py checks each
sample and keeps those that are good, so a source is never held in memory and decides nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Literal, cast, get_args

import numpy as np

import data.sources
from data.errors import Damaged, WrongUse
from data.foreign import MOST
from data.plugins import plugin
from data.store import Store

Part = Literal["train", "validation", "test"]
"""Train: what every stage may learn from. Validation: tuning and early figures. Test: the final evaluation alone."""
PARTS: tuple[Part, ...] = ("train", "validation", "test")

IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm", ".pgm")
"""Endings of image files."""
ENDINGS = {"image": IMAGES, "audio": (".flac", ".wav"), "features": (".npy",), "text": (".txt",)}
"""Modality -> endings of its files."""

_ALONE = tuple(ending for endings in ENDINGS.values() for ending in endings)
"""Endings of files that hold one sample each."""

Join = Literal["class", "id"]
"""What makes two samples of different sources one event: the same class, or the same name in both."""

_PARTS: dict[str, Part] = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation"}
_PARTS |= {"dev": "validation", "test": "test", "t10k": "test"}


@dataclass(frozen=True)
class Side:
    """A source beside another: one of the two that `paired` joins, or one of samples whose labels are not read."""

    name: str = ""
    """A file of data/sources."""
    path: str = ""
    """A file, a folder or a URL, where that source takes one."""
    modality: str = ""
    """As `source.modality`."""
    length: int = 0
    """As `source.length`."""

    def __post_init__(self) -> None:
        if not self.length >= 0:
            raise ValueError(f"a side's length must be >= 0, got {self.length}")


@dataclass(frozen=True)
class SourceOptions:
    """Where the real samples come from, how they are divided, and how many of them count as labelled."""

    name: str = "digits"
    """A file of data/sources."""
    path: str = ""
    """A file, a folder or a URL that fsspec opens; nothing for the bundled digits."""
    labelled: int = 300
    """Training samples in all, as evenly over the classes as can be; 0 for all there are."""
    split_seed: int = 0
    """Of the draw that divides samples into parts, by their content."""
    validation_share: float = 0.35
    """Of the samples for which the source names no part."""
    test_share: float = 0.35
    """Likewise."""
    image_column: str = "image"
    """Of a Parquet file."""
    label_column: str = "label"
    """Likewise."""
    size: int = 0
    """Images are resized to this many pixels a side; 0 where they all have one size already."""
    channels: int = 0
    """Images are converted to grey (1) or RGB (3); 0 where they all are one or the other already."""
    modality: str = ""
    """What is read of a source that may hold several, a file of data/modalities; nothing for images."""
    length: int = 0
    """Sound, features and text are cut or padded to this many samples, frames or bytes; 0 where they all have one."""
    first: Side = field(default_factory=Side)
    """Of `paired`."""
    second: Side = field(default_factory=Side)
    """Likewise."""
    join: Join = "class"
    """What makes a pair: two samples of one class, drawn anew by `pair_seed`, or two of one name."""
    pair_seed: int = 0
    """Of the draw that pairs samples of one class."""
    error_budget: float = 0.01
    """Share of bad samples above which a run stops."""
    unlabelled: Side = field(default_factory=Side)
    """Where the search `unlabelled` finds samples, whose labels are not read; without a name, among the training
    samples beyond `labelled`."""
    drawn: int = 5000
    """Samples of a source that makes its own, as rendered_digits and espeak_digits."""
    draw_seed: int = 0
    """Of what such a source draws."""

    def __post_init__(self) -> None:
        for name, least in {"labelled": 0, "size": 0, "drawn": 1, "draw_seed": 0}.items():
            if not getattr(self, name) >= least:
                raise ValueError(f"source.{name} must be >= {least}, got {getattr(self, name)}")
        for name in ("validation_share", "test_share", "error_budget"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"source.{name} must lie in [0, 1], got {getattr(self, name)}")
        if not self.validation_share + self.test_share < 1:
            raise ValueError(f"source: no training samples are left beside test_share {self.test_share}")
        if self.channels not in (0, 1, 3):
            raise ValueError(f"source.channels must be 0, 1 or 3, got {self.channels}")
        if not self.length >= 0:
            raise ValueError(f"source.length must be >= 0, got {self.length}")
        if self.join not in get_args(Join):
            raise ValueError(f"source.join must be class or id, got {self.join}")
        self._check_unlabelled()

    def _check_unlabelled(self) -> None:
        if self.unlabelled.path and not self.unlabelled.name:
            raise ValueError("a path of unlabelled samples needs source.unlabelled.name, the kind of source there")
        if self.unlabelled.name and "paired" in (self.name, self.unlabelled.name):
            raise ValueError("source.unlabelled: pairs are searched neither for nor among unlabelled samples")


@dataclass(frozen=True)
class Found:
    """A sample as its source holds it, unchecked.

    Attributes:
        where: file and place in it, for people.
        content: of the source's modality: a file's bytes, or an array. Of images an encoded one, or pixels: uint8, or
            float in [0, 1]; (H, W), (H, W, C) or (C, H, W).
        label: the class's number or name, or None where there is none.
        part: where the source says so.
        problem: why the content could not even be fetched, one of `PROBLEMS`, or the empty string.
        name: what its source calls the event it belongs to; samples of two sources with one name make a pair.
    """

    where: str
    content: bytes | np.ndarray
    label: int | str | None
    part: Part | None = None
    problem: str = ""
    name: str = ""


@dataclass(frozen=True)
class Source:
    """What a source holds.

    Attributes:
        class_names: in the order of their labels, or () where it has none.
        samples: once.
        modality: of all its samples.
        sides: of a source of pairs, modality -> the source of that side; it has no samples of its own.
    """

    class_names: tuple[str, ...]
    samples: Iterator[Found]
    modality: str = "image"
    sides: Mapping[str, "Source"] = field(default_factory=dict)


def source_of(options: SourceOptions) -> Source:
    """The source that the options name, opened but not read.

    Raises:
        Damaged: one of its files is broken from the start.
        WrongUse: there is no source of that name, nothing at its path, or it holds another modality.
    """
    found = cast(Callable[[SourceOptions], Source], plugin(data.sources, options.name))(options)
    if options.modality not in ("", found.modality):
        raise WrongUse(f"{options.name} holds {found.modality or 'pairs'}, not source.modality {options.modality!r}")
    return found


def without_labels(source: Source) -> Source:
    """The same samples, all of one class: their labels are replaced before anybody looks at them."""
    return replace(source, class_names=("unlabelled",), samples=(replace(found, label=0) for found in source.samples))


def beside(options: SourceOptions) -> Source:
    """The source of unlabelled samples that the options name, opened but not read; raises as `source_of`."""
    try:
        return source_of(side_of(options, options.unlabelled))
    except WrongUse as error:
        raise WrongUse(f"source.unlabelled: {error}") from error


def side_of(options: SourceOptions, side: Side) -> SourceOptions:
    """The options of a source beside another: its own where it has some, else those of the other."""
    own = {"name": side.name, "path": side.path, "modality": side.modality, "length": side.length}
    return replace(options, first=Side(), second=Side(), unlabelled=Side(), **own)  # type: ignore[arg-type]


def kind_of(options: SourceOptions) -> str:
    """The modality that is read of files.

    Raises:
        WrongUse: there is none of that name.
    """
    kind = options.modality or "image"
    if kind not in ENDINGS:
        raise WrongUse(f"no modality {kind!r}: there are {', '.join(sorted(ENDINGS))}")
    return kind


def fingerprint_of(options: SourceOptions) -> str:
    """A digest that changes when a file of the source does; empty for one that is bundled."""
    paths = (options.path, options.first.path, options.second.path, options.unlabelled.path)
    return "+".join(Store(path).fingerprint() for path in paths if path)


def files_of(options: SourceOptions, *endings: str) -> tuple[Store, list[str]]:
    """The folder of a source and the names in it that end so, sorted; a path to one file gives that one.

    Raises:
        WrongUse: there is no path, or no such file.
    """
    if not options.path:
        raise WrongUse(f"source.path is missing: {options.name} needs a file or folder ({', '.join(endings)})")
    folder, slash, file = options.path.rstrip("/").rpartition("/")
    store, names = Store(folder or slash or "."), [file]
    if not file.lower().endswith(endings) or not store.has(file):
        store = Store(options.path)
        names = [name for name in store.names() if name.lower().endswith(endings) and not _hidden(name)]
    if not names:
        raise WrongUse(f"source.path {options.path} holds no {' or '.join(endings)} file")
    return store, names


def stream_of(store: Store, name: str) -> BinaryIO:
    """A file of a source, to read from its beginning.

    Raises:
        Damaged: it is no plain file, or lies outside the source's folder.
    """
    if problem := _problem_of(store, name):
        raise Damaged(f"{store.where(name)}: {PROBLEMS[problem]}")
    return store.open(name)


def image_at(store: Store, name: str, where: str, label: int | str | None, part: Part | None) -> Found:
    """The sample that is a file of its own; if that cannot be fetched, its problem says so."""
    problem, content = _problem_of(store, name), b""
    try:
        content = store.read_range(name, 0, MOST + 1) if not problem and store.folder is None else content
        content = store.read(name) if not problem and store.folder is not None else content
    except (Damaged, OSError):
        problem = "missing_file"
    if len(content) > MOST:
        problem, content = "too_large", b""
    return Found(where, content, label, part, problem, name.rpartition(".")[0])


PROBLEMS = {
    "missing_file": "there is no such file, or it cannot be read",
    "outside": "lies outside the source's folder, or is a link that leads there",
    "too_large": f"is larger than {MOST} bytes",
}


def _problem_of(store: Store, name: str) -> str:
    try:
        path, folder = Path(store.path(name)), store.folder
        if folder is None:
            return ""
        if not path.resolve().is_relative_to(folder.resolve()):
            return "outside"
        if not path.is_file():  # a pipe or a device would never end
            return "missing_file"
        return "too_large" if name.lower().endswith(_ALONE) and path.stat().st_size > MOST else ""
    except Damaged:
        return "outside"
    except (OSError, ValueError):
        return "missing_file"


def _hidden(name: str) -> bool:
    return any(part.startswith((".", "__")) for part in name.split("/"))


def part_of(name: str) -> Part | None:
    """The part that a file or folder is named after, as train-00000-of-00001.parquet or val."""
    first = name.rsplit("/", 1)[-1].partition(".")[0].partition("-")[0]
    return _PARTS.get(first.lower())


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Class names in the order of their labels: numbers as numbers, before words."""
    return tuple(sorted(names, key=lambda name: (0, int(name), name) if name.isdecimal() else (1, 0, name)))
