"""Where a set lies: a folder on this machine or any URL that fsspec opens; a file there is whole or absent.

A local file is written beside its place, flushed and renamed. An object store gets each object in one put or one
completed multipart upload from bytes that are complete before the first one leaves: leaving `fs.open(url, "wb")` by an
exception would publish what was written so far (measured with s3fs and with pyarrow).
"""

import errno
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem

from data.errors import Damaged, WrongUse
from data.files import digest_of, sha256_of, write_atomically, write_together

CLAIM = ".claim"
"""The file that says who is writing here; it is gone when the set is finished."""
INDEX = "index.json"
"""The file that makes a folder a set."""
PATIENCE = {"connect_timeout": 10, "read_timeout": 30}
"""Seconds that a store may be silent before a request is tried again; s3fs gives up after five tries."""


@dataclass(frozen=True)
class Store:
    """A folder at `url`: a path, or what fsspec opens, as `s3://bucket/folder`. Names are relative, with `/`."""

    url: str

    def __post_init__(self) -> None:
        if "::" in self.url:
            raise WrongUse(f"{self.url}: a chain of URLs can lead anywhere; name one folder, or s3://bucket/folder")

    @cached_property
    def _opened(self) -> tuple[fsspec.AbstractFileSystem, str]:
        more = {"config_kwargs": PATIENCE} if self.url.startswith("s3://") else {}
        try:
            found = fsspec.url_to_fs(self.url, use_listings_cache=False, **more)
            return cast(tuple[fsspec.AbstractFileSystem, str], found)
        except (ImportError, ValueError) as error:
            raise WrongUse(f"{self.url}: {error} (for s3:// install hardshard[s3])") from error

    @property
    def folder(self) -> Path | None:
        """The folder, if it is one on this machine."""
        fs, root = self._opened
        return Path(root) if isinstance(fs, LocalFileSystem) else None

    def path(self, name: str) -> str:
        """A file's path within its file system.

        Raises:
            Damaged: the name leads out of the folder.
        """
        if name.startswith("/") or any(part in ("", ".", "..") for part in name.split("/")):
            raise Damaged(f"{self.url}: {name!r} lies outside the set")
        return f"{self._opened[1].rstrip('/')}/{name}"

    def where(self, name: str) -> str:
        """A file's full name, for people."""
        return f"{self.url.rstrip('/')}/{name}"

    def write(self, name: str, content: bytes) -> str:
        """Put a whole file in one step and return its SHA-256 in hex."""
        return self.write_all({name: content})[name]

    def write_all(self, files: Mapping[str, bytes]) -> dict[str, str]:
        """Put several whole files, each in one step, and return their SHA-256 in hex by name."""
        paths = {name: self.path(name) for name in files}
        if self.folder is not None:
            written = write_together({Path(paths[name]): content for name, content in files.items()})
            return {name: written[Path(path)] for name, path in paths.items()}
        for name, content in files.items():
            self._opened[0].pipe_file(paths[name], content)
        return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}

    def create(self, name: str, content: bytes) -> bool:
        """Put a file unless there is one of that name; whether it was put. Of several writers one succeeds."""
        path = self.path(name)
        try:
            if self.folder is not None:
                return _create(Path(path), content)
            self._opened[0].pipe_file(path, content, mode="create")
        except FileExistsError:
            return self.folder is None and self.read(name) == content  # put by a request that was answered by an error
        except OSError as error:
            if not _is_there(error):
                raise
            return self.read(name) == content
        return True

    def read(self, name: str) -> bytes:
        """A whole file.

        Raises:
            Damaged: there is none.
        """
        return self._read(name, None, None)

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """`length` bytes of a file from `offset`, or as many as there are; raises as `read`."""
        return self._read(name, offset, offset + length)

    def _read(self, name: str, start: int | None, end: int | None) -> bytes:
        try:
            return cast(bytes, self._opened[0].cat_file(self.path(name), start=start, end=end))
        except (FileNotFoundError, IsADirectoryError) as error:
            raise Damaged(f"{self.where(name)} is missing") from error

    def open(self, name: str) -> BinaryIO:
        """A file to read from its beginning; raises as `read`."""
        try:
            return cast(BinaryIO, self._opened[0].open(self.path(name), "rb"))
        except (FileNotFoundError, IsADirectoryError) as error:
            raise Damaged(f"{self.where(name)} is missing") from error

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return bool(self._opened[0].isfile(self.path(name)))

    def mark(self, name: str) -> str:
        """What tells one content of a file from another: SHA-256 of a local one, else size and entity tag; or ""."""
        fs, path = self._opened[0], self.path(name)
        if self.folder is not None:
            return sha256_of(Path(path)) if Path(path).is_file() else ""
        try:
            found = fs.info(path)
        except FileNotFoundError:
            return ""
        return f"{found['size']} {found.get('ETag', '')}"

    def names(self) -> list[str]:
        """Every file here, at any depth, sorted."""
        fs, root = self._opened
        root = root.rstrip("/")
        try:
            found = fs.find(root)
        except FileNotFoundError:
            return []
        return sorted(path[len(root) + 1 :] for path in found)

    def fingerprint(self) -> str:
        """A digest that changes when a file here is added, removed or written; no content is read."""
        fs, root = self._opened
        found = fs.find(root.rstrip("/"), detail=True)
        marks = ("ETag", "mtime", "LastModified", "created")  # what file systems tell of a file's last writing
        rows = [(path, info["size"], *(str(info.get(mark)) for mark in marks)) for path, info in found.items()]
        return digest_of([[path.removeprefix(root), *row] for path, *row in sorted(rows)])

    def remove(self, name: str) -> None:
        """Take a file away; it may be gone already."""
        try:
            self._opened[0].rm_file(self.path(name))
        except FileNotFoundError:
            return

    def discard_uploads(self) -> None:
        """Drop the parts of uploads that a killed process left unfinished here; only S3 keeps such."""
        fs, root = self._opened
        if "s3" not in fs.protocol:
            return
        bucket, _, prefix = root.partition("/")
        try:
            left = fs.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=prefix).get("Uploads", [])
        except OSError as error:
            if error.errno != errno.ENOSYS:  # some small servers have no such list
                raise
            return
        for upload in left:
            fs.call_s3("abort_multipart_upload", Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])

    def move(self, name: str, to: str) -> None:
        """Give a file another name here."""
        self.write(to, self.read(name))
        self.remove(name)


def _is_there(error: OSError) -> bool:
    """Whether an S3 server refused a conditional put; s3fs knows only Amazon's wording of it."""
    response = getattr(error.__cause__, "response", {})
    return bool(response.get("Error", {}).get("Code") == "PreconditionFailed")


def _create(path: Path, content: bytes) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    write_atomically(partial, content)
    try:
        os.link(partial, path)
    finally:
        partial.unlink()
    return True
