"""The manifest: one Parquet row for every candidate, kept or refused."""

import io
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import Damaged
from data.records import ManifestRow
from data.store import Store

SCHEMA = pa.schema(
    {
        "key": pa.string(),
        "accepted": pa.bool_(),
        "reason": pa.string(),
        "label": pa.int64(),
        "search": pa.string(),
        "parents": pa.list_(pa.string()),
        "margin_before": pa.float32(),
        "margin": pa.float32(),
        "scores": pa.map_(pa.string(), pa.float32()),
        "soft_label": pa.list_(pa.float32()),
        "sha256": pa.string(),
        "crc32": pa.map_(pa.string(), pa.int64()),
        "shard": pa.string(),
        "offset": pa.int64(),
        "length": pa.int64(),
    }
)


MOVED = pa.field("moved", pa.map_(pa.string(), pa.float32()))
"""A further column, where samples are not images alone."""


def encode_manifest(rows: Sequence[ManifestRow]) -> bytes:
    """The Parquet file of these rows, in their order; same rows, same bytes."""
    schema = SCHEMA.append(MOVED) if any(row.moved is not None for row in rows) else SCHEMA
    columns = {name: [_cell(getattr(row, name)) for row in rows] for name in schema.names}
    return encode_table(pa.table(columns, schema=schema))


def encode_table(table: pa.Table) -> bytes:
    """The Parquet file of a table; same rows, same bytes."""
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd")
    return out.getvalue()


def _cell(value: object) -> object:
    return sorted(value.items()) if isinstance(value, dict) else value


def read_manifest(store: Store, names: Sequence[str], columns: Sequence[str] = ()) -> pa.Table:
    """The rows of several manifests of a set, one after the other; those columns alone, or all.

    Raises:
        Damaged: a file is missing, is not Parquet or has other columns.
    """
    read = [_read(store, name, columns) for name in names]
    return pa.concat_tables(read) if read else SCHEMA.empty_table().select(columns or SCHEMA.names)


def count(store: Store, names: Sequence[str], columns: Sequence[str]) -> Counter[tuple[Any, ...]]:
    """How many rows have each combination of values in these columns; in memory one manifest at a time."""
    found = Counter[tuple[Any, ...]]()
    for name in names:
        rows = _read(store, name, columns).group_by(columns).aggregate([([], "count_all")])
        for *values, number in zip(*(rows[column].to_pylist() for column in (*columns, "count_all")), strict=True):
            found[tuple(values)] += number
    return found


def _read(store: Store, name: str, columns: Sequence[str]) -> pa.Table:
    content = store.read(name)
    try:
        held = pq.read_schema(pa.BufferReader(content)).names
        schema = SCHEMA.append(MOVED) if MOVED.name in held else SCHEMA
        return pq.read_table(pa.BufferReader(content), schema=schema, columns=list(columns or schema.names))
    except (pa.ArrowException, OSError) as error:
        raise Damaged(f"{store.where(name)} is not a manifest ({error}): delete it and run again") from error
