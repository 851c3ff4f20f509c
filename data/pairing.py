"""Events of two modalities: two sources taken in one by one, and joined by class or by name when they are read.

Each side is checked, keyed and divided into parts alone, so its contents lie on disk once however often they are
paired, and an event's part is the part of both its members: by class no member of either side is ever in two parts,
whatever seed pairs them. By name the parts are drawn by the names, so that both members fall into one.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from data.census import digest_of_rows, place_of
from data.errors import Damaged, WrongUse
from data.files import canonical_json, digest_of, read_json, write_atomically
from data.forms import Form
from data.intake import Summary, kept_by, take_in
from data.intake_files import SAMPLES, SUMMARY
from data.records import Batch
from data.sources import PARTS, Part, Source, SourceOptions, side_of
from data.taken import Taken, open_taken


class Joined(NamedTuple):
    """M events: the place of each member among its side's samples, both int64 (M,)."""

    first: np.ndarray
    second: np.ndarray


@dataclass(frozen=True)
class Pairs:
    """The good samples of two sources, on disk, and the events that they make."""

    folder: Path
    summary: Summary
    sides: Mapping[str, Taken]

    def batch(self, part: Part, options: SourceOptions) -> Batch:
        """The events of one part in the order of their keys; modality -> x (N, ...), and labels int64 (N,).

        By class every sample of the side that has more of a class comes once, those of the other as often as it takes;
        `options.pair_seed` says who meets whom, and `options.labelled` is of either side. By name `labelled` is of the
        first.

        Raises:
            Damaged: what was taken in is not there any more.
            WrongUse: the part has no event.
        """
        mine, theirs = self._rows(part, options)
        joined = join(mine, theirs, options)
        if not len(joined.first):
            raise WrongUse(f"the {part} part has no pair: do both sides have samples of one {options.join} there?")
        keys = [event_key(*two) for two in zip(*_members(mine, theirs, joined), strict=True)]
        order = np.array(sorted(range(len(keys)), key=lambda event: keys[event]))
        labels = torch.from_numpy(mine["label"].to_numpy()[joined.first[order]])
        inputs = {
            name: side.inputs(table["row"].to_numpy()[places[order]])
            for (name, side), table, places in zip(self.sides.items(), (mine, theirs), joined, strict=True)
        }
        return Batch(tuple(keys[event] for event in order), inputs, labels)

    def members(self, part: Part, options: SourceOptions) -> list[tuple[str, str]]:
        """The keys of both members of every event of a part, in the order of `batch`."""
        mine, theirs = self._rows(part, options)
        return sorted(
            zip(*_members(mine, theirs, join(mine, theirs, options)), strict=True), key=lambda two: event_key(*two)
        )

    def forms(self) -> dict[str, Form]:
        """Modality -> its form."""
        return {name: side.forms()[name] for name, side in self.sides.items()}

    def _rows(self, part: Part, options: SourceOptions) -> tuple[pa.Table, pa.Table]:
        first, second = self.sides.values()
        every = replace(options, labelled=0)
        return first.rows(part, options), second.rows(part, options if options.join == "class" else every)


def event_key(first: str, second: str) -> str:
    """The key of an event, from its members'."""
    return hashlib.sha256(f"{first} {second}".encode()).hexdigest()[:32]


def _members(mine: pa.Table, theirs: pa.Table, joined: Joined) -> tuple[list[str], list[str]]:
    return mine["key"].take(pa.array(joined.first)).to_pylist(), theirs["key"].take(pa.array(joined.second)).to_pylist()


def join(first: pa.Table, second: pa.Table, options: SourceOptions) -> Joined:
    """The events of two tables with columns `key`, `label` and, by name, `name`."""
    return by_name(first, second) if options.join == "id" else by_class(first, second, options.pair_seed)


def by_class(first: pa.Table, second: pa.Table, seed: int) -> Joined:
    """Class by class both sides shuffled by `seed` and each other's keys, the shorter again and again."""
    found: list[tuple[np.ndarray, np.ndarray]] = []
    mine, theirs = (_shuffled(table, seed, side) for side, table in enumerate((first, second)))
    for label in sorted(mine.keys() & theirs.keys()):
        count = max(len(mine[label]), len(theirs[label]))
        found.append((np.resize(mine[label], count), np.resize(theirs[label], count)))
    none = np.empty(0, np.int64)
    return (
        Joined(*(np.concatenate([none, *places]) for places in zip(*found, strict=True)))
        if found
        else Joined(none, none)
    )


def _shuffled(table: pa.Table, seed: int, side: int) -> dict[int, np.ndarray]:
    """Label -> places of its samples, int64, in an order that the seed and their keys give."""
    keys, labels = table["key"].to_pylist(), table["label"].to_numpy()
    order = np.argsort([place_of(f"{side}/{key}", seed) for key in keys], kind="stable")
    return {int(label): order[labels[order] == label] for label in np.unique(labels)}


def by_name(first: pa.Table, second: pa.Table) -> Joined:
    """Those of one name; where one comes twice on a side, or the labels differ, there is no event."""
    mine, theirs = (_named(table) for table in (first, second))
    labels = first["label"].to_numpy(), second["label"].to_numpy()
    names = [name for name in sorted(mine.keys() & theirs.keys()) if labels[0][mine[name]] == labels[1][theirs[name]]]
    return Joined(*(np.array([side[name] for name in names], np.int64) for side in (mine, theirs)))


def _named(table: pa.Table) -> dict[str, int]:
    names = table["name"].to_pylist()
    places = {name: place for place, name in enumerate(names)}
    counts = dict(zip(*np.unique(names, return_counts=True), strict=True))
    return {name: place for name, place in places.items() if counts[name] == 1}


def take_in_pairs(
    source: Source, options: SourceOptions, folder: Path, progress: Callable[[int], None] = lambda _: None
) -> Summary:
    """Take both sides of a source of pairs in, each into a folder of its modality's name, and count the events.

    Args:
        source: `paired`, read once.
        options: those of the pair; each side's come from them.
        folder: holds the sides' folders and source.json afterwards.
        progress: called with the number of samples read so far.

    Raises:
        Damaged: see `take_in`.
        WrongUse: the sides have different classes, or make no event.
    """
    read, summaries = 0, dict[str, Summary]()
    for (name, side), given in zip(source.sides.items(), (options.first, options.second), strict=True):
        before = read
        summaries[name] = take_in(side, side_of(options, given), folder / name, lambda n: progress(before + n))  # noqa: B023
        read += summaries[name].read
    first, second = summaries.values()
    if list(first.class_names) != list(second.class_names):
        raise WrongUse(f"the sides have different classes: {list(first.class_names)} and {list(second.class_names)}")
    summary = _summary(folder, summaries, options)
    if not any(sum(classes.values()) for classes in summary.kept.values()):
        raise WrongUse(
            f"no two samples of {options.first.name} and {options.second.name} make a pair by {options.join}"
        )
    write_atomically(folder / SUMMARY, canonical_json(asdict(summary)))
    return summary


def _summary(folder: Path, sides: Mapping[str, Summary], options: SourceOptions) -> Summary:
    names = next(iter(sides.values())).class_names
    tables = [pq.read_table(folder / name / SAMPLES) for name in sides]
    parts, labels, met = list[str](), list[int](), list[str]()
    for part in PARTS:
        mine, theirs = (table.filter(pc.equal(table["part"], part)) for table in tables)
        joined = join(mine, theirs, options)
        labels += mine["label"].to_numpy()[joined.first].tolist()
        parts += [part] * len(joined.first)
        met += map(" ".join, zip(*_members(mine, theirs, joined), strict=True))
    division: list[object] = [[name, side.division] for name, side in sides.items()]
    if options.join == "id":  # by class it follows from the divisions and the seed
        division.append(digest_of_rows(iter(met)))
    return Summary(
        class_names=list(names),
        shape=[],
        read=sum(side.read for side in sides.values()),
        kept=kept_by(pa.table({"part": pa.array(parts, pa.string()), "label": pa.array(labels, pa.int64())}), names),
        quarantined={f"{name} {reason}": n for name, side in sides.items() for reason, n in side.quarantined.items()},
        digest=digest_of([[name, side.digest] for name, side in sides.items()]),
        division=digest_of([division, options.join, options.pair_seed]),
        modality="",
        sides=list(sides),
    )


def open_pairs(folder: Path) -> Pairs:
    """What `take_in_pairs` left in a folder.

    Raises:
        Damaged: it is not there, or not whole.
    """
    try:
        summary = Summary(**read_json(folder / SUMMARY))  # type: ignore[arg-type]
        return Pairs(folder, summary, {name: open_taken(folder / name) for name in summary.sides})
    except (TypeError, OSError) as error:
        raise Damaged(f"{folder} holds no pairs ({error}): take the sources in again") from error
