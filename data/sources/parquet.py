"""Parquet files as Hugging Face lays them out: an `image` column of {bytes, path}, bytes or paths, and a `label`."""

import json
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import Damaged, WrongUse
from data.sources import Found, Source, SourceOptions, files_of, image_at, part_of, stream_of
from data.store import Store

_AT_ONCE = 64
"""Rows read together."""


def parquet(options: SourceOptions) -> Source:
    """One file or a folder of them; `train-00000-of-00001.parquet` and the like name the parts."""
    store, names = files_of(options, ".parquet")
    with _opened(store, names[0]) as first:
        schema = first.schema_arrow
    for column in (options.image_column, options.label_column):
        if column not in schema.names:
            raise WrongUse(
                f"{store.where(names[0])} has no column {column!r} but {', '.join(schema.names)}: "
                "name them by source.image_column and source.label_column"
            )
    classes = _class_names(schema, options)
    return Source(classes, (f for name in names for f in _samples(store, name, classes, options)))


def _opened(store: Store, name: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(stream_of(store, name), page_checksum_verification=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Damaged(f"{store.where(name)} is no whole Parquet file ({error})") from error


def _class_names(schema: pa.Schema, options: SourceOptions) -> tuple[str, ...]:
    """The names of a ClassLabel, from the metadata that `datasets` writes; () where there are none."""
    try:
        described = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        names = described["info"]["features"][options.label_column]["names"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ()
    plain = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return tuple(names) if plain and len(set(names)) == len(names) else ()


def _samples(store: Store, name: str, names: tuple[str, ...], options: SourceOptions) -> Iterator[Found]:
    columns, row = [options.image_column, options.label_column], 0
    try:
        with _opened(store, name) as file:
            if _class_names(file.schema_arrow, options) != names:
                raise Damaged(f"{store.where(name)} names other classes than the files before it")
            for batch in file.iter_batches(_AT_ONCE, columns=columns):
                for image, label in zip(*(batch.column(column).to_pylist() for column in columns), strict=True):
                    yield _found(store, name, row, image, label)
                    row += 1
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise Damaged(f"{store.where(name)} is damaged after row {row} ({error})") from error


def _found(store: Store, name: str, row: int, image: object, label: object) -> Found:
    where = f"{name}[{row}]"
    content, path = (image.get("bytes"), image.get("path")) if isinstance(image, dict) else (image, image)
    known = label if isinstance(label, int | str) else None
    if isinstance(content, bytes):
        return Found(where, content, known, part_of(name))
    if not isinstance(path, str):
        return Found(where, b"", known, part_of(name))
    return image_at(store, path, f"{where} {path}", known, part_of(name))
