"""Samples that were taken in: read from a run's folder, part by part."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from data.census import place_of
from data.errors import Damaged, WrongUse
from data.files import read_json
from data.intake import PIXELS, SAMPLES, SUMMARY, Summary
from data.records import Batch
from data.sources import Part, SourceOptions


@dataclass(frozen=True)
class Taken:
    """The good samples of a source, on disk."""

    folder: Path
    summary: Summary

    def batch(self, part: Part, options: SourceOptions) -> Batch:
        """One part, in the order of keys: images float (N, C, H, W) in [0, 1], labels int64 (N,).

        Of the training part the labelled ones only, those whose content's hash is highest in each class.

        Raises:
            Damaged: what was taken in is not there any more.
            WrongUse: a class has too few training samples, or the part has none at all.
        """
        table = self._table()
        table = table.filter(pc.equal(table["part"], part))
        if not len(table):
            raise WrongUse(f"the {part} part of the source has no sample: see source.validation_share and test_share")
        if part == "train":
            table = table.take(_labelled(table, options, self.summary))
        pixels = np.memmap(self.folder / PIXELS, np.uint8, "r").reshape(-1, *self.summary.shape)
        chosen = torch.from_numpy(pixels[table["row"].to_numpy()])
        labels = torch.from_numpy(table["label"].to_numpy().copy())
        return Batch(tuple(table["key"].to_pylist()), {"image": chosen.float() / 255}, labels)

    def _table(self) -> pa.Table:
        try:
            return pq.read_table(self.folder / SAMPLES, columns=["key", "label", "part", "row"])
        except (pa.ArrowException, OSError) as error:
            raise Damaged(f"{self.folder / SAMPLES} is damaged ({error}): delete it and run again") from error


def _labelled(table: pa.Table, options: SourceOptions, summary: Summary) -> list[int]:
    """Rows of the labelled training samples, as many of each class as of any other, give or take one; at least one."""
    classes = len(summary.class_names)
    if 0 < (few := options.labelled) < classes:
        raise WrongUse(f"source.labelled takes one sample of each of {classes} classes at least, got {few}")
    keys, labels = table["key"].to_pylist(), table["label"].to_pylist()
    rows: dict[int, list[int]] = {label: [] for label in range(classes)}
    for row in sorted(range(len(keys)), key=lambda row: place_of(keys[row], options.split_seed), reverse=True):
        rows[labels[row]].append(row)
    chosen = []
    for label, mine in rows.items():
        wanted = options.labelled // classes + (label < options.labelled % classes)
        if len(mine) < max(1, wanted):
            raise WrongUse(
                f"source.labelled {options.labelled} asks for {max(1, wanted)} training samples of class "
                f"{summary.class_names[label]!r}, which has {len(mine)}; 0 takes all there are"
            )
        chosen += mine[:wanted] if options.labelled else mine
    return sorted(chosen)


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
