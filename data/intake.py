"""Takes a source in, once: checks every sample, keeps the good ones in one form, and quarantines the others.

A sample's key is a digest of its values (an image's pixels), so the same data has the same keys, parts and order in
whatever layout it comes. What is kept lies in the run's folder: the values, one row after the other (`samples.u8` of
images and text, `samples.i16` of sound, `samples.f32` of features), `samples.parquet` (key, label, part, row, where it
came from), `quarantine.parquet` (where, reason, detail) and `source.json` (counts, names, digests). Memory holds less
than 500 bytes a sample, never its values.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.census import classes_of, copies_of, digest_of_rows, parts_of
from data.errors import Damaged, WrongUse
from data.files import canonical_json, digest_of, write_atomically
from data.forms import Form
from data.intake_files import QUARANTINE, SAMPLES, SUMMARY
from data.looking import ROWS, Look, Row, fit_of, form_of, looked_at
from data.manifest import encode_table
from data.modalities import modality
from data.sources import PARTS, Source, SourceOptions

AT_ONCE = 1000
"""Samples after which what is known of them is put together, and a source of which most are bad is read no further."""
FIRST = 100
"""Samples whose most frequent form is the one that all must have."""
_BAD = ["where", "reason", "detail"]


@dataclass(frozen=True)
class Summary:
    """What a source holds.

    Attributes:
        class_names: label -> name.
        shape: of one sample's values; of images (C, H, W).
        read: samples in all; those kept and those quarantined sum up to it.
        kept: part -> class name -> samples.
        quarantined: reason -> samples.
        digest: of the content, whatever its layout: every sample's values and class.
        division: of the classes' order and every sample's values, label and part: of all that is handed on.
        modality: of all samples; empty for pairs.
        rate: samples a second of sound; 0 for what has none.
        sides: of pairs, their modalities; each was taken in alone, into a folder of that name.
    """

    class_names: Sequence[str]
    shape: Sequence[int]
    read: int
    kept: Mapping[str, Mapping[str, int]]
    quarantined: Mapping[str, int]
    digest: str
    division: str
    modality: str = "image"
    rate: int = 0
    sides: Sequence[str] = ()

    @property
    def form(self) -> Form:
        """Of every sample."""
        return Form(tuple(self.shape), self.rate)


def values_file(name: str) -> str:
    """The file of a modality's values."""
    kind = np.dtype(modality(name).kind)
    return f"samples.{kind.kind}{8 * kind.itemsize}"


def take_in(
    source: Source, options: SourceOptions, folder: Path, progress: Callable[[int], None] = lambda _: None
) -> Summary:
    """Read a source to its end and keep what is good of it in `folder`.

    Args:
        source: read once; it may be larger than memory.
        options: how samples are converted, how parts are drawn, and the error budget.
        folder: holds the four files afterwards.
        progress: called with the number of samples read so far.

    Raises:
        Damaged: a file of the source is broken, nothing is good, or more is bad than the budget allows; then
            quarantine.parquet is there all the same.
        WrongUse: it is a source of pairs: data/pairing.py takes those in.
    """
    if source.sides:
        raise WrongUse(f"{options.name} gives pairs of {' and '.join(source.sides)}; this takes one modality")
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{values_file(source.modality)}.{os.getpid()}.partial"
    try:
        with partial.open("wb") as values:
            look = Look(source.class_names, modality(source.modality), fit_of(options))
            first = list(islice(source.samples, FIRST))
            form = form_of(first, look)
            rows = looked_at(chain(first, source.samples), look, form, values)
            repeats = options.join == "id" and source.modality == "text"  # as captions do
            found = _gathered(rows, options, progress, repeats=repeats)
            names, good, bad = _judged(found, source.class_names, options, repeats=repeats)
            values.flush()
            os.fsync(values.fileno())
        _check_budget(bad, len(good) + len(bad), folder, options)
        kept = _kept(good, options)
        summary = _summary(kept, bad, names, form, source.modality)
        partial.rename(folder / values_file(source.modality))
        write_atomically(folder / SAMPLES, encode_table(kept))
        write_atomically(folder / SUMMARY, canonical_json(asdict(summary)))
        return summary
    finally:
        partial.unlink(missing_ok=True)


def _gathered(
    rows: Iterator[Row], options: SourceOptions, progress: Callable[[int], None], *, repeats: bool
) -> pa.Table:
    """All rows as a table; fewer where most of those read are bad."""
    batches, read, bad = [], 0, 0
    while chunk := list(islice(rows, AT_ONCE)):
        columns = [pa.array(column, kind) for column, kind in zip(zip(*chunk, strict=True), ROWS.types, strict=True)]
        batches.append(pa.record_batch(columns, schema=ROWS))
        read += len(chunk)
        bad += len(chunk) - len({row.where if repeats else row.key for row in chunk if not row.reason})
        progress(read)
        if bad > max(0.5, options.error_budget) * read:
            break
    return pa.Table.from_batches(batches, ROWS).combine_chunks()


def _judged(
    table: pa.Table, names: Sequence[str], options: SourceOptions, *, repeats: bool
) -> tuple[Sequence[str], pa.Table, pa.Table]:
    """The classes; the good samples, with columns `number` (their label) and `row`; the bad ones.

    Where content `repeats`, nothing is a copy.
    """
    fine = pc.equal(table["reason"], "")
    good, bad = table.filter(fine), table.filter(pc.invert(fine))
    names, labels = classes_of(good, names, options.error_budget * len(table))
    good = good.append_column("number", pa.array(labels, pa.int32()))
    good = good.append_column("row", pa.array(np.arange(len(good)))).drop_columns(["numbered", *_BAD[1:]])
    apart, good = good.filter(labels < 0), good.filter(labels >= 0).drop_columns("label")
    keys = _keys_of(good) if not repeats else np.arange(2 * len(good), dtype=np.uint64).reshape(-1, 2)
    first, conflicting = copies_of(keys, good["number"].to_numpy(), good["declared"])
    copied = (first != np.arange(len(first))) & ~conflicting
    others = [f"the same content as {where}" for where in good["where"].take(pa.array(first[copied])).to_pylist()]
    quarantined = [
        bad.select(_BAD),
        _refused(apart, "label_out_of_range", [f"label {label}, apart from all others" for label in apart["label"]]),
        _refused(good.filter(conflicting), "conflicting_label", "others have the same content and another label"),
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
    return pa.table(columns, schema=pa.schema([ROWS.field(name) for name in _BAD]))


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
    """The good samples in the order of their keys, each with its part; where names make pairs, with them."""
    good = good.sort_by("key" if options.join == "class" else [("key", "ascending"), ("name", "ascending")])
    keys = pa.array((key.as_py().hex() for key in good["key"]), pa.string(), size=len(good))
    drawn = keys if options.join == "class" else good["name"]
    parts = parts_of((each.as_py() for each in drawn), good["declared"], options)
    labels = good["number"].cast(pa.int64())
    table = pa.table({"key": keys, "label": labels, "part": parts, "row": good["row"], "where": good["where"]})
    return table if options.join == "class" else table.append_column("name", good["name"])


def kept_by(table: pa.Table, names: Sequence[str]) -> dict[str, dict[str, int]]:
    """Part -> class name -> samples, of a table with columns `part` and `label`."""
    counted = table.group_by(["part", "label"]).aggregate([([], "count_all")]).to_pylist()
    counts = {(row["part"], row["label"]): row["count_all"] for row in counted}
    return {part: {name: counts.get((part, label), 0) for label, name in enumerate(names)} for part in PARTS}


def _summary(kept: pa.Table, bad: pa.Table, names: Sequence[str], form: Form, kind: str) -> Summary:
    return Summary(
        class_names=list(names),
        shape=list(form.shape),
        read=len(kept) + len(bad),
        kept=kept_by(kept, names),
        quarantined=_counted(bad),
        digest=digest_of_rows(f"{key} {names[label]}" for key, label, _ in _identities(kept)),
        division=digest_of([list(names), digest_of_rows(" ".join(map(str, row)) for row in _identities(kept))]),
        modality=kind,
        rate=form.rate,
    )


def _identities(kept: pa.Table) -> Iterator[tuple[str, int, str]]:
    for batch in kept.select(["key", "label", "part"]).to_batches(AT_ONCE):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
