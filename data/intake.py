"""Takes a source in, once: checks every sample, keeps the good ones in one form, and quarantines the others.

A sample's key is a digest of its pixels, so the same data has the same keys, parts and order in whatever layout it
comes. What is kept lies in the run's folder: `samples.u8` (pixels, one row after the other), `samples.parquet` (key,
label, part, row, where it came from), `quarantine.parquet` (where, reason, detail) and `source.json` (counts, names,
digests). Memory holds less than 500 bytes a sample, never its pixels.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.census import classes_of, copies_of, digest_of_rows, parts_of
from data.errors import Damaged
from data.files import canonical_json, digest_of, write_atomically
from data.intake_files import PIXELS as PIXELS
from data.intake_files import QUARANTINE as QUARANTINE
from data.intake_files import SAMPLES as SAMPLES
from data.intake_files import SUMMARY as SUMMARY
from data.manifest import encode_table
from data.pixels import Refused, pixels_of
from data.sources import PARTS, PROBLEMS, Found, Source, SourceOptions

AT_ONCE = 1000
"""Samples after which what is known of them is put together, and a source of which most are bad is read no further."""
FIRST = 100
"""Samples whose most frequent size is the one that all must have."""


class _Row(NamedTuple):
    """What is known of a sample when it has been looked at; a reason says why it is none."""

    where: str
    key: bytes = bytes(16)
    label: str = ""
    numbered: bool = False
    declared: str = ""
    reason: str = ""
    detail: str = ""


_ROWS = pa.schema(
    {
        "where": pa.string(),
        "key": pa.binary(16),
        "label": pa.string(),
        "numbered": pa.bool_(),
        "declared": pa.string(),
        "reason": pa.string(),
        "detail": pa.string(),
    }
)
_BAD = ["where", "reason", "detail"]


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
        division: of the classes' order and every sample's pixels, label and part: of all that is handed on.
    """

    class_names: Sequence[str]
    shape: Sequence[int]
    read: int
    kept: Mapping[str, Mapping[str, int]]
    quarantined: Mapping[str, int]
    digest: str
    division: str


def take_in(
    source: Source, options: SourceOptions, folder: Path, progress: Callable[[int], None] = lambda _: None
) -> Summary:
    """Read a source to its end and keep what is good of it in `folder`.

    Args:
        source: read once; it may be larger than memory.
        options: how images are converted, how parts are drawn, and the error budget.
        folder: holds the four files afterwards.
        progress: called with the number of samples read so far.

    Raises:
        Damaged: a file of the source is broken, nothing is good, or more is bad than the budget allows; then
            quarantine.parquet is there all the same.
    """
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{PIXELS}.{os.getpid()}.partial"
    try:
        with partial.open("wb") as pixels:
            first = list(islice(source.samples, FIRST))
            shape = _shape_of(first, options)
            rows = _looked_at(chain(first, source.samples), source.class_names, options, shape, pixels)
            names, good, bad = _judged(_gathered(rows, options, progress), source.class_names, options)
            pixels.flush()
            os.fsync(pixels.fileno())
        _check_budget(bad, len(good) + len(bad), folder, options)
        kept = _kept(good, options)
        summary = _summary(kept, bad, names, shape)
        partial.rename(folder / PIXELS)
        write_atomically(folder / SAMPLES, encode_table(kept))
        write_atomically(folder / SUMMARY, canonical_json(asdict(summary)))
        return summary
    finally:
        partial.unlink(missing_ok=True)


def _shape_of(first: Sequence[Found], options: SourceOptions) -> tuple[int, ...]:
    """The shape that most of the first images have; none where none is an image."""
    shapes: Counter[tuple[int, ...]] = Counter()
    for found in first:
        try:
            shapes[pixels_of(found.image, size=options.size, channels=options.channels).shape] += 1
        except Refused:
            continue
    return max(shapes, key=lambda shape: (shapes[shape], shape), default=())


def _looked_at(
    samples: Iterator[Found], names: Sequence[str], options: SourceOptions, shape: tuple[int, ...], pixels: BinaryIO
) -> Iterator[_Row]:
    for found in samples:
        try:
            if found.problem:
                raise Refused(found.problem, PROBLEMS[found.problem])
            label = _label_of(found.label, names)
            image = pixels_of(found.image, size=options.size, channels=options.channels)
            shape = shape or image.shape
            if image.shape != shape:
                raise Refused("wrong_size", f"{image.shape}, but most are {shape}: see source.size and channels")
        except Refused as error:
            yield _Row(found.where, reason=error.reason, detail=error.detail)
        else:
            key = hashlib.sha256(str(image.shape).encode() + image.tobytes()).digest()[:16]
            pixels.write(image.tobytes())
            yield _Row(found.where, key, label, isinstance(found.label, int) and not names, found.part or "")


def _label_of(label: int | str | None, names: Sequence[str]) -> str:
    """The class's name, or the label as text where the source has no names."""
    if label is None:
        raise Refused("no_label", "no label")
    if isinstance(label, int) and names and 0 <= label < len(names):
        return names[label]
    if (isinstance(label, str) and not names and label.isprintable()) or label in names:
        return str(label)
    if isinstance(label, str) or names or label < 0:
        raise Refused("label_out_of_range", f"label {label!r} of {len(names)} classes")
    return str(label)


def _gathered(rows: Iterator[_Row], options: SourceOptions, progress: Callable[[int], None]) -> pa.Table:
    """All rows as a table; fewer where most of those read are bad."""
    batches, read, bad = [], 0, 0
    while chunk := list(islice(rows, AT_ONCE)):
        columns = [pa.array(column, kind) for column, kind in zip(zip(*chunk, strict=True), _ROWS.types, strict=True)]
        batches.append(pa.record_batch(columns, schema=_ROWS))
        read += len(chunk)
        bad += len(chunk) - len({row.key for row in chunk if not row.reason})
        progress(read)
        if bad > max(0.5, options.error_budget) * read:
            break
    return pa.Table.from_batches(batches, _ROWS).combine_chunks()


def _judged(table: pa.Table, names: Sequence[str], options: SourceOptions) -> tuple[Sequence[str], pa.Table, pa.Table]:
    """The classes; the good samples, with columns `number` (their label) and `row`; the bad ones."""
    fine = pc.equal(table["reason"], "")
    good, bad = table.filter(fine), table.filter(pc.invert(fine))
    names, labels = classes_of(good, names, options.error_budget * len(table))
    good = good.append_column("number", pa.array(labels, pa.int32()))
    good = good.append_column("row", pa.array(np.arange(len(good)))).drop_columns(["numbered", *_BAD[1:]])
    apart, good = good.filter(labels < 0), good.filter(labels >= 0).drop_columns("label")
    first, conflicting = copies_of(_keys_of(good), good["number"].to_numpy(), good["declared"])
    copied = (first != np.arange(len(first))) & ~conflicting
    others = [f"the same pixels as {where}" for where in good["where"].take(pa.array(first[copied])).to_pylist()]
    quarantined = [
        bad.select(_BAD),
        _refused(apart, "label_out_of_range", [f"label {label}, apart from all others" for label in apart["label"]]),
        _refused(good.filter(conflicting), "conflicting_label", "others have the same pixels and another label"),
        _refused(good.filter(copied), "duplicate", others),
    ]
    return names, good.filter(~(conflicting | copied)), pa.concat_tables(quarantined)


def _keys_of(table: pa.Table) -> np.ndarray:
    """The keys as uint64 (N, 2), in an order of their own."""
    keys = table["key"].combine_chunks()
    return np.frombuffer(keys.buffers()[1], np.uint64).reshape(-1, 2)[keys.offset : keys.offset + len(keys)]


def _refused(table: pa.Table, reason: str, details: str | Sequence[str]) -> pa.Table:
    told = [details] * len(table) if isinstance(details, str) else details
    columns = {"where": table["where"], "reason": [reason] * len(table), "detail": told}
    return pa.table(columns, schema=pa.schema([_ROWS.field(name) for name in _BAD]))


def _check_budget(bad: pa.Table, read: int, folder: Path, options: SourceOptions) -> None:
    write_atomically(folder / QUARANTINE, encode_table(bad))
    if len(bad) <= options.error_budget * read and len(bad) < read:
        return
    reasons = ", ".join(f"{reason} {count}" for reason, count in _counted(bad).items()) or "it is empty"
    if len(bad) == read:
        raise Damaged(
            f"{options.path or options.name} holds no good sample of {read} ({reasons}); see {folder / QUARANTINE}"
        )
    examples = "; ".join(f"{row['where']}: {row['detail']}" for row in bad.slice(0, 3).to_pylist())
    raise Damaged(
        f"{len(bad)} of {read} samples are bad ({reasons}), more than source.error_budget {options.error_budget} "
        f"allows; for instance {examples}. All are listed in {folder / QUARANTINE}; mend them or raise the budget"
    )


def _counted(bad: pa.Table) -> dict[str, int]:
    return dict(sorted((row["values"], row["counts"]) for row in pc.value_counts(bad["reason"]).to_pylist()))


def _kept(good: pa.Table, options: SourceOptions) -> pa.Table:
    """The good samples in the order of their keys, each with its part."""
    good = good.sort_by("key")
    keys = pa.array((key.as_py().hex() for key in good["key"]), pa.string(), size=len(good))
    parts = parts_of((key.as_py() for key in keys), good["declared"], options)
    labels = good["number"].cast(pa.int64())
    return pa.table({"key": keys, "label": labels, "part": parts, "row": good["row"], "where": good["where"]})


def _summary(kept: pa.Table, bad: pa.Table, names: Sequence[str], shape: Sequence[int]) -> Summary:
    counted = kept.group_by(["part", "label"]).aggregate([([], "count_all")]).to_pylist()
    counts = {(row["part"], row["label"]): row["count_all"] for row in counted}
    return Summary(
        class_names=list(names),
        shape=list(shape),
        read=len(kept) + len(bad),
        kept={part: {name: counts.get((part, label), 0) for label, name in enumerate(names)} for part in PARTS},
        quarantined=_counted(bad),
        digest=digest_of_rows(f"{key} {names[label]}" for key, label, _ in _identities(kept)),
        division=digest_of([list(names), digest_of_rows(" ".join(map(str, row)) for row in _identities(kept))]),
    )


def _identities(kept: pa.Table) -> Iterator[tuple[str, int, str]]:
    for batch in kept.select(["key", "label", "part"]).to_batches(AT_ONCE):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
