"""Shard sets and plain tars opened for random access: any sample by its number, read from tars on this machine.

A tar at a URL is fetched whole into a local folder first, once, whoever asks, and its SHA-256 compared with the
index's.
"""

import hashlib
import os
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from types import MappingProxyType

import numpy as np
from filelock import FileLock

from data.blocks import Members, key_of, members_of_block
from data.errors import Damaged, WrongUse
from data.files import digest_of, sha256_of, write_atomically
from data.foreign import MOST, read_members
from data.forms import Form, forms_of
from data.mixing import Integers
from data.shards import read_index
from data.sidecars import ShardRecord
from data.store import INDEX, Store

MOST_OPEN = 128
"""Files a set keeps open in each process: there may be more tars than a process may have open, often 1024."""


class OpenFiles:
    """Pieces of files, the last few files kept open; a worker process opens its own."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        self._open: OrderedDict[int, FileIO] = OrderedDict()

    def __getstate__(self) -> dict[str, object]:
        """Nothing that is open."""
        return {"paths": self.paths, "_open": OrderedDict()}

    def read(self, number: int, begin: int, end: int) -> bytes:
        """The bytes of one file from `begin` to `end`.

        Raises:
            Damaged: the file is gone, or ends before, or they are more than `MOST`.
        """
        if end - begin > MOST:
            raise Damaged(f"a sample of {end - begin} bytes, more than the {MOST} that are read")
        try:
            # Taken out while it is used, so that no other thread closes it.
            file = self._open.pop(number, None) or self.paths[number].open("rb", buffering=0)
        except FileNotFoundError as error:
            raise Damaged("the file is gone since it was opened") from error
        # Not through a mapping: a tar that somebody cuts now is an error here, and would kill the process there.
        found = os.pread(file.fileno(), end - begin, begin)
        self._open[number] = file
        if len(self._open) > MOST_OPEN:
            self._open.popitem(last=False)[1].close()
        if len(found) != end - begin:
            raise Damaged("the file has become shorter since it was opened")
        return found

    def __del__(self) -> None:
        while self._open:
            self._open.popitem()[1].close()


@dataclass(frozen=True)
class OpenSet:
    """The samples of several tars as one sequence.

    Attributes:
        url: for people.
        tars: in order.
        first: int64 (tars + 1,), the number of each tar's first sample; last, of all samples.
        places: int64 (samples + tars,), of each tar where its samples begin and, once more, where the last one ends.
        digest: of the whole: the index's, or that of the tars.
        classes: how many there are; 0 where nothing says so.
        forms: modality -> its form, as the index says; nothing for plain tars, whose images alone are read.
    """

    url: str
    tars: OpenFiles
    first: Integers
    places: Integers
    digest: str
    classes: int = 0
    forms: Mapping[str, Form] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.first[-1])

    def samples(self, rows: Integers) -> Iterator[tuple[str, Members]]:
        """Key and members of the samples numbered `rows`, int64 (M,), from 0, in that order.

        Raises:
            Damaged: what lies at a sample's place is none; the tar is named.
        """
        tars = np.searchsorted(self.first, rows, side="right") - 1
        begins, ends = self.places[rows + tars], self.places[rows + tars + 1]
        for tar, begin, end in zip(tars.tolist(), begins.tolist(), ends.tolist(), strict=True):
            try:
                yield members_of_block(self.tars.read(tar, begin, end))
            except Damaged as error:
                raise Damaged(f"{self.tars.paths[tar]}, bytes {begin} to {end}: {error}") from error


def open_for_reading(url: str, cache: Path | None = None, *, verify: bool = True) -> OpenSet:
    """Open a shard set, or a folder of plain tars.

    Args:
        url: its folder.
        cache: where tars of a URL are kept on this machine; not needed for a folder.
        verify: compare the SHA-256 of each tar with the index's.

    Raises:
        Damaged: the set is unfinished, or a tar is not what the index says.
        WrongUse: there is no tar, or no `cache` for a URL.
    """
    store = Store(url)
    if store.folder is None and cache is None:
        raise WrongUse(f"{url} is read through a local folder: give `cache`")
    return _set(store, cache, verify=verify) if store.has(INDEX) else _plain(store, cache)


def _set(store: Store, cache: Path | None, *, verify: bool) -> OpenSet:
    found = read_index(store)
    names = found.facts.get("class_names", [])
    places = [_listed_places(store, shard) for shard in found.shards]
    tars = [_local(store, shard.tar, shard.sha256, cache, check=True) for shard in found.shards]
    for path, shard in zip(tars, found.shards, strict=True):
        if verify and store.folder is not None and sha256_of(path) != shard.sha256:
            raise Damaged(f"{path} is damaged: its SHA-256 is not the one in {INDEX}; see `hardshard repair`")
    classes = len(names) if isinstance(names, list) else 0
    return _joined(store.url, tars, places, str(found.facts["digest"]), classes, forms_of(found.facts))


def _listed_places(store: Store, shard: ShardRecord) -> Integers:
    """Where a shard's samples lie, as the file beside it says whose SHA-256 is in the index."""
    name = f"{shard.tar}.idx"
    content = store.read(name)
    if hashlib.sha256(content).hexdigest() != shard.sidecars.get(name):
        raise Damaged(f"{store.where(name)} is damaged: its SHA-256 is not the one in {INDEX}; see `hardshard repair`")
    places = np.frombuffer(content, "<u8").astype(np.int64)
    if len(places) != shard.samples + 1 or not _rise(places, shard.bytes):
        raise Damaged(f"{store.where(name)} does not fit its tar; see `hardshard repair`")
    return places


def _rise(places: Integers, size: int) -> bool:
    return bool((places >= 0).all() and (places <= size).all() and (np.diff(places) > 0).all())


def _plain(store: Store, cache: Path | None) -> OpenSet:
    names = [name for name in store.names() if name.endswith(".tar")]
    if not names:
        raise WrongUse(f"{store.url} holds no tar")
    marks = {name: store.mark(name) for name in names}
    tars = [_local(store, name, digest_of([store.where(name), marks[name]]), cache, check=False) for name in names]
    digest = digest_of(list(marks.items()))
    return _joined(store.url, tars, [_places(path) for path in tars], digest)


def _joined(
    url: str,
    tars: Sequence[Path],
    places: Sequence[Integers],
    digest: str,
    classes: int = 0,
    forms: Mapping[str, Form] = MappingProxyType({}),
) -> OpenSet:
    first = np.cumsum([0, *(len(each) - 1 for each in places)])
    return OpenSet(url, OpenFiles(tars), first, np.concatenate(places), digest, classes, dict(forms))


def _places(path: Path) -> Integers:
    """Where the samples of a foreign tar begin, and the last one ends; every member is read and checked."""
    starts, end, last = list[int](), 0, ""
    try:
        with path.open("rb") as tar:
            for entry in read_members(tar):
                if (key := key_of(entry.name)[0]) != last or not starts:
                    starts.append(entry.start)
                    last = key
                end = tar.tell()
    except Damaged as error:
        raise Damaged(f"{path}: {error}") from error
    return np.array([*starts, end], dtype=np.int64)


def _local(store: Store, name: str, digest: str, cache: Path | None, *, check: bool) -> Path:
    """The tar on this machine; `digest` names it in the cache, and with `check` is the SHA-256 that it must have."""
    if store.folder is not None:
        return Path(store.path(name))
    if cache is None:
        raise WrongUse(f"{store.url} is read through a local folder: give `cache`")
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise Damaged(f"{store.where(INDEX)} says {digest!r} for a SHA-256")
    path = cache / f"{digest}.tar"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f".{digest}.lock"):
        if not path.is_file():
            content = store.read(name)
            if check and hashlib.sha256(content).hexdigest() != digest:
                raise Damaged(f"{store.where(name)} is damaged: its SHA-256 is not the one in {INDEX}")
            write_atomically(path, content)
    return path
