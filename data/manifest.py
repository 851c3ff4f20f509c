"""The manifest: one Parquet row for every candidate, kept or refused."""

import io
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import Damaged
from data.records import ManifestRow

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
    }
)


def encode_manifest(rows: Sequence[ManifestRow]) -> bytes:
    """The Parquet file of these rows, in their order; same rows, same bytes."""
    columns = {
        name: [_cell(getattr(row, name)) for row in rows]
        for name in SCHEMA.names
    }
    out = io.BytesIO()
    pq.write_table(pa.table(columns, schema=SCHEMA), out, compression="zstd")
    return out.getvalue()


def _cell(value: object) -> object:
    return sorted(value.items()) if isinstance(value, dict) else value


def read_manifest(paths: Sequence[Path]) -> pa.Table:
    """The rows of several manifests, one after the other.

    Raises:
        Damaged: a file is missing, is not Parquet or has other columns.
    """
    return pa.concat_tables([_read(path) for path in paths]) if paths else SCHEMA.empty_table()


def _read(path: Path) -> pa.Table:
    try:
        return pq.read_table(path, schema=SCHEMA)
    except (pa.ArrowException, OSError) as error:
        raise Damaged(f"{path} is not a manifest ({error}): delete it and run again") from error
