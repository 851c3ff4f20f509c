"""Samples that were taken in: read from a run's folder, part by part."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from torch import Tensor

from data.census import place_of
from data.errors import Damaged, WrongUse
from data.files import read_json
from data.forms import Form
from data.intake import Summary, values_file
from data.intake_files import SAMPLES, SUMMARY
from data.modalities import modality
from data.records import Batch, Unlabelled
from data.sources import Part, SourceOptions


@dataclass(frozen=True)
class Taken:
    """The good samples of a source of one modality, on disk."""

    folder: Path
    summary: Summary

    def batch(self, part: Part, options: SourceOptions) -> Batch:
        """One part, in the order of keys: x as a model takes it, (N, ...), and labels int64 (N,).

        Of the training part the labelled ones only, those whose content's hash is highest in each class; as many as
        there are where there are fewer, see `must_suffice`.

        Raises:
            Damaged: what was taken in is not there any more.
            WrongUse: the part has no sample.
        """
        table = self.rows(part, options)
        labels = torch.from_numpy(table["label"].to_numpy().copy())
        x = self.inputs(table["row"].to_numpy())
        return Batch(tuple(table["key"].to_pylist()), {self.summary.modality: x}, labels)

    def rows(self, part: Part, options: SourceOptions) -> pa.Table:
        """Key, label, row and, where names make pairs, name of the samples that `batch` gives; raises as it does."""
        table = self._of(part)
        return table.take(_labelled(table, options, self.summary)) if part == "train" else table

    def unlabelled(self, options: SourceOptions) -> Unlabelled:
        """The training samples that `batch` leaves out, in the order of keys, without their labels.

        Raises:
            Damaged: what was taken in is not there any more.
            WrongUse: all training samples are labelled.
        """
        table = self._of("train")
        rest = np.setdiff1d(np.arange(len(table)), _labelled(table, options, self.summary))
        if not len(rest):
            raise WrongUse(
                f"all {len(table)} training samples are labelled, and search.mix asks for unlabelled ones: "
                "give source.labelled a lower number, or name a source.unlabelled"
            )
        return self._unlabelled(table.take(rest))

    def apart_from(self, other: "Taken") -> Unlabelled:
        """All samples, of whatever part, that are not among another's, by their content; their labels are not read.

        Raises:
            Damaged: what was taken in is not there any more.
            WrongUse: there is none.
        """
        table = self._table()
        table = table.filter(pc.invert(pc.is_in(table["key"], other.keys())))
        if not len(table):
            raise WrongUse(f"{self.folder} holds no sample that the source does not hold, too: see source.unlabelled")
        return self._unlabelled(table)

    def keys(self) -> pa.Array:
        """Of all samples, whatever their part: digests of their content, the same in any source."""
        return self._table()["key"].combine_chunks()

    def _unlabelled(self, table: pa.Table) -> Unlabelled:
        rows = table["row"].to_numpy()
        return Unlabelled(tuple(table["key"].to_pylist()), lambda chosen: self.inputs(rows[chosen.numpy()]))

    def inputs(self, rows: np.ndarray) -> Tensor:
        """The samples at these rows, int64 (N,), as a model takes them: (N, ...)."""
        kind, file = modality(self.summary.modality), self.folder / values_file(self.summary.modality)
        values = np.memmap(file, np.dtype(kind.kind), "r").reshape(-1, *self.summary.shape)
        return kind.floats(torch.from_numpy(values[rows]))

    def forms(self) -> dict[str, Form]:
        """Modality -> its form, whose unit is measured on the training part."""
        kind, table = modality(self.summary.modality), self._table()
        rows = table.filter(pc.equal(table["part"], "train"))["row"].to_numpy()
        return {self.summary.modality: replace(self.summary.form, unit=kind.unit_of(self.inputs(rows)))}

    def _of(self, part: Part) -> pa.Table:
        table = self._table()
        table = table.filter(pc.equal(table["part"], part))
        if not len(table):
            raise WrongUse(f"the {part} part of the source has no sample: see source.validation_share and test_share")
        return table

    def _table(self) -> pa.Table:
        try:
            table = pq.read_table(self.folder / SAMPLES)
            return table.select([name for name in table.column_names if name != "where"])
        except (pa.ArrowException, OSError) as error:
            raise Damaged(f"{self.folder / SAMPLES} is damaged ({error}): delete it and run again") from error


def must_suffice(summary: Summary, labelled: int) -> None:
    """Check that there are samples to train and to validate on, and `labelled` ones spread evenly over the classes.

    Raises:
        WrongUse: there are not.
    """
    if not any(summary.kept["validation"].values()):
        raise WrongUse("the validation part of the source has no sample: see source.validation_share")
    shares = _shares(summary, labelled)
    if 0 < labelled < len(shares):
        raise WrongUse(f"source.labelled takes one sample of each of {len(shares)} classes at least, got {labelled}")
    for (name, count), wanted in zip(summary.kept["train"].items(), shares, strict=True):
        if count < max(1, wanted):
            raise WrongUse(
                f"source.labelled {labelled} asks for {max(1, wanted)} training samples of class {name!r}, "
                f"which has {count}; 0 takes all there are"
            )


def _shares(summary: Summary, labelled: int) -> list[int]:
    """Labelled samples of each class: as many as of any other, give or take one; or all."""
    classes = len(summary.class_names)
    shares = [labelled // classes + (label < labelled % classes) for label in range(classes)]
    return shares if labelled else list(summary.kept["train"].values())


def _labelled(table: pa.Table, options: SourceOptions, summary: Summary) -> list[int]:
    """Rows of the labelled training samples."""
    keys, labels = table["key"].to_pylist(), table["label"].to_pylist()
    rows: dict[int, list[int]] = {label: [] for label in range(len(summary.class_names))}
    for row in sorted(range(len(keys)), key=lambda row: place_of(keys[row], options.split_seed), reverse=True):
        rows[labels[row]].append(row)
    shares = _shares(summary, options.labelled)
    return sorted(row for label, mine in rows.items() for row in mine[: shares[label]])


def open_taken(folder: Path) -> Taken:
    """What `take_in` left in a folder.

    Raises:
        Damaged: it is not there, or not whole.
    """
    if not (folder / SUMMARY).is_file():
        raise Damaged(f"{folder} holds no samples: run the stages before this one first")
    try:
        return Taken(folder, Summary(**read_json(folder / SUMMARY)))  # type: ignore[arg-type]
    except TypeError as error:
        raise Damaged(f"{folder / SUMMARY} is no summary ({error}): delete it and run again") from error
