"""Files that are either whole or absent, and their digests."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from threading import get_ident

from data.errors import Damaged


def write_atomically(path: Path, content: bytes) -> str:
    """Put `content` at `path` in one step and return its SHA-256 in hex.

    A temporary file beside `path` is written, flushed to the disk and renamed; the folder's own entry is flushed
    last. A crash leaves the old file or none, plus at most one `.partial` that nobody reads.
    """
    return write_together({path: content})[path]


def write_together(files: Mapping[Path, bytes]) -> dict[Path, str]:
    """Put each file at its path as `write_atomically` does, the flushes gathered; returns their SHA-256 in hex.

    The disk is waited for less often than file by file: all are written before the first is flushed, and a folder is
    flushed once. A crash may leave some of them in place, each of them whole.
    """
    partials = {path: path.with_name(f".{path.name}.{os.getpid()}.{get_ident()}.partial") for path in files}
    for folder in {path.parent for path in files}:
        folder.mkdir(parents=True, exist_ok=True)
    try:
        for path, content in files.items():
            partials[path].write_bytes(content)
        for partial in partials.values():
            _flush(partial, os.O_RDWR)
        for path, partial in partials.items():
            partial.rename(path)
    except BaseException:
        for partial in partials.values():
            partial.unlink(missing_ok=True)  # what no disk had room for gives its room back
        raise
    for folder in {path.parent for path in files}:
        _flush(folder, os.O_RDONLY)
    return {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}


def _flush(path: Path, mode: int) -> None:
    opened = os.open(path, mode)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical_json(value: object) -> bytes:
    """One spelling per value: sorted keys, no NaN, a newline at the end."""
    return (json.dumps(value, sort_keys=True, indent=1, allow_nan=False) + "\n").encode()


def digest_of(value: object) -> str:
    """SHA-256 of a JSON value's canonical spelling, in hex."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def read_json(path: Path) -> Mapping[str, object]:
    """A JSON object from disk.

    Raises:
        Damaged: the file is not a JSON object.
    """
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise Damaged(f"{path} is not JSON ({error}): delete it and run again") from error
    if not isinstance(value, dict):
        raise Damaged(f"{path} holds {type(value).__name__}, not an object: delete it and run again")
    return value
