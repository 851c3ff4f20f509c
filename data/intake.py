"""Takes a source in, once: checks every sample, keeps the good ones in one form, and quarantines the others.

A sample's key is a digest of its pixels, so the same data has the same keys, parts and order in whatever layout it
comes. What is kept lies in the run's folder: `samples.u8` (pixels, one row after the other), `samples.parquet` (key,
label, part, row, where it came from), `quarantine.parquet` (where, reason, detail) and `source.json` (counts, names,
digest).
"""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from data.errors import Damaged
from data.files import canonical_json, digest_of, write_atomically
from data.manifest import encode_table
from data.pixels import Refused, pixels_of
from data.sources import Found, Part, Source, SourceOptions

PIXELS, SAMPLES, QUARANTINE, SUMMARY = "samples.u8", "samples.parquet", "quarantine.parquet", "source.json"
HOPELESS = 1000
"""Samples after which a source of which most are bad is read no further."""


@dataclass
class _Kept:
    """What is known of the samples so far, a list a column, and of the bad ones."""

    keys: list[str] = field(default_factory=list)
    labels: list[int | str] = field(default_factory=list)
    parts: list[Part | None] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    first: dict[str, int] = field(default_factory=dict)
    bad: list[tuple[str, str, str]] = field(default_factory=list)
    conflicting: set[int] = field(default_factory=set)
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class Summary:
    """What a source holds.

    Attributes:
        class_names: label -> name.
        shape: of one image, (C, H, W).
        read: samples in all; those kept and those quarantined sum up to it.
        kept: part -> class name -> samples.
        quarantined: reason -> samples.
        digest: of the content, whatever its layout: every sample's pixels and class.
    """

    class_names: Sequence[str]
    shape: Sequence[int]
    read: int
    kept: Mapping[str, Mapping[str, int]]
    quarantined: Mapping[str, int]
    digest: str


def take_in(
    source: Source, options: SourceOptions, folder: Path, progress: Callable[[int], None] = lambda _: None
) -> Summary:
    """Read a source to its end and keep what is good of it in `folder`.

    Args:
        source: read once; it may be larger than memory, what is kept of a sample in memory is its key and place.
        options: how images are converted, how parts are drawn, and the error budget.
        folder: holds the four files afterwards.
        progress: called with the number of samples read so far.

    Raises:
        Damaged: a file of the source is broken, nothing is good, or more is bad than the budget allows; then
            quarantine.parquet is there all the same.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = _Kept()
    partial = folder / f".{PIXELS}.{os.getpid()}.partial"
    try:
        with partial.open("wb") as pixels:
            for read, found in enumerate(source.samples, 1):
                _take(found, source.class_names, options, kept, pixels)
                progress(read)
                if read >= HOPELESS and len(kept.bad) > max(0.5, options.error_budget) * read:
                    break
            os.fsync(pixels.fileno())
        return _finished(kept, source.class_names, options, folder, partial)
    finally:
        partial.unlink(missing_ok=True)


def _take(found: Found, names: Sequence[str], options: SourceOptions, kept: _Kept, pixels: BinaryIO) -> None:
    try:
        if found.problem:
            raise Refused(found.problem, "the image could not be fetched")
        _check_label(found.label, names)
        image = pixels_of(found.image, size=options.size, channels=options.channels)
        kept.shape = kept.shape or image.shape
        if image.shape != kept.shape:
            raise Refused("wrong_size", f"{image.shape}, but the first is {kept.shape}: see source.size and channels")
        _keep(found, image, kept, pixels)
    except Refused as error:
        kept.bad.append((found.where, error.reason, error.detail))


def _check_label(label: int | str | None, names: Sequence[str]) -> None:
    if label is None:
        raise Refused("no_label", "no label")
    if names and (label not in names if isinstance(label, str) else not 0 <= label < len(names)):
        raise Refused("label_out_of_range", f"label {label!r} of {len(names)} classes")
    if isinstance(label, int) and not 0 <= label < 10_000:
        raise Refused("label_out_of_range", f"label {label}")


def _keep(found: Found, image: np.ndarray, kept: _Kept, pixels: BinaryIO) -> None:
    key = hashlib.sha256(str(image.shape).encode() + image.tobytes()).hexdigest()[:32]
    if found.label is None:
        raise Refused("no_label", "no label")
    before = kept.first.get(key)
    if before is not None and kept.labels[before] == found.label:
        raise Refused("duplicate", f"the same pixels as {kept.where[before]}")
    if before is not None:
        kept.conflicting.add(before)
        detail = f"the same pixels as {kept.where[before]}, which has label {kept.labels[before]!r}"
        raise Refused("conflicting_label", detail)
    kept.first[key] = len(kept.keys)
    pixels.write(image.tobytes())
    for column, value in zip(
        (kept.keys, kept.labels, kept.parts, kept.where), (key, found.label, found.part, found.where), strict=True
    ):
        column.append(value)  # type: ignore[attr-defined]


def _stop(kept: _Kept, folder: Path, options: SourceOptions, read: int) -> None:
    rows = [dict(zip(("where", "reason", "detail"), row, strict=True)) for row in kept.bad]
    schema = pa.schema({"where": pa.string(), "reason": pa.string(), "detail": pa.string()})
    write_atomically(folder / QUARANTINE, encode_table(pa.Table.from_pylist(rows, schema=schema)))
    if len(kept.bad) <= options.error_budget * read:
        return
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(Counter(row[1] for row in kept.bad).items()))
    examples = "; ".join(f"{where}: {detail}" for where, _, detail in kept.bad[:3])
    raise Damaged(
        f"{len(kept.bad)} of {read} samples are bad ({reasons}), more than source.error_budget {options.error_budget} "
        f"allows; for instance {examples}. All are listed in {folder / QUARANTINE}; mend them or raise the budget"
    )


def _finished(
    kept: _Kept, names: Sequence[str], options: SourceOptions, folder: Path, partial: Path
) -> Summary:
    read = len(kept.keys) + len(kept.bad)
    for row in sorted(kept.conflicting):
        detail = f"another sample has the same pixels and another label than {kept.labels[row]!r}"
        kept.bad.append((kept.where[row], "conflicting_label", detail))
    _stop(kept, folder, options, read)
    rows = [row for row in sorted(range(len(kept.keys)), key=kept.keys.__getitem__) if row not in kept.conflicting]
    if not rows:
        raise Damaged(f"{options.path or options.name} holds no good sample of {read}; see {folder / QUARANTINE}")
    if not names:
        kept.labels = [str(label) for label in kept.labels] if _mixed(kept.labels) else kept.labels
        names = _names_of(kept.labels)
    table = _table(kept, rows, names, options)
    summary = _summary(kept, table, names, read)
    partial.rename(folder / PIXELS)
    write_atomically(folder / SAMPLES, encode_table(table))
    write_atomically(folder / SUMMARY, canonical_json(asdict(summary)))
    return summary


def _mixed(labels: Sequence[int | str]) -> bool:
    return len({type(label) for label in labels}) > 1


def _names_of(labels: Sequence[int | str]) -> tuple[str, ...]:
    if all(isinstance(label, int) for label in labels):
        return tuple(str(label) for label in range(max(int(label) for label in labels) + 1))
    return tuple(sorted({str(label) for label in labels}))


def _table(kept: _Kept, rows: Sequence[int], names: Sequence[str], options: SourceOptions) -> pa.Table:
    number = {name: label for label, name in enumerate(names)}
    declared = {part for part in kept.parts if part}
    labels = [label if isinstance(label, int) else number[label] for label in (kept.labels[row] for row in rows)]
    keys = [kept.keys[row] for row in rows]
    return pa.table(
        {
            "key": keys,
            "label": pa.array(labels, pa.int64()),
            "part": [_part(key, kept.parts[row], declared, options) for key, row in zip(keys, rows, strict=True)],
            "row": pa.array(rows, pa.int64()),
            "where": [kept.where[row] for row in rows],
        }
    )


def _part(key: str, given: Part | None, declared: set[Part], options: SourceOptions) -> Part:
    """The part a source declares; otherwise, and to draw validation from training samples, by the content's hash."""
    place = place_of(key, options.split_seed)
    if given in ("test", "validation") or (given == "train" and "validation" in declared):
        return given
    if given == "train":
        return "validation" if place < options.validation_share / (1 - options.test_share) else "train"
    if place < options.test_share:
        return "test"
    return "validation" if place < options.test_share + options.validation_share else "train"


def place_of(key: str, seed: int) -> float:
    """Where a sample falls in [0, 1), by its content and the seed alone."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{key}".encode()).digest()[:8]) / 2**64


def _summary(kept: _Kept, table: pa.Table, names: Sequence[str], read: int) -> Summary:
    counts = Counter(zip(table["part"].to_pylist(), table["label"].to_pylist(), strict=True))
    parts: tuple[Part, ...] = ("train", "validation", "test")
    return Summary(
        class_names=list(names),
        shape=list(kept.shape),
        read=read,
        kept={part: {name: counts[part, label] for label, name in enumerate(names)} for part in parts},
        quarantined=dict(sorted(Counter(reason for _, reason, _ in kept.bad).items())),
        digest=digest_of([names, list(_identities(table, names))]),
    )


def _identities(table: pa.Table, names: Sequence[str]) -> Iterator[list[str]]:
    for key, label in zip(table["key"].to_pylist(), table["label"].to_pylist(), strict=True):
        yield [key, names[label]]
