"""Shard sets and plain tars opened for random access: any sample by its number, from memory-mapped files.

A tar at a URL is fetched whole into a local folder first, once, whoever asks, and its SHA-256 compared with the
index's.
"""

import hashlib
import io
import mmap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from filelock import FileLock

from data.errors import Damaged, WrongUse
from data.files import digest_of, sha256_of, write_atomically
from data.foreign import read_members
from data.shards import read_index
from data.store import INDEX, Store
from data.tars import BLOCK, RECORD

Members = Mapping[str, bytes]
"""Extension -> content."""


@dataclass(frozen=True)
class OpenTar:
    """One tar on this machine.

    Attributes:
        path: where it lies.
        starts: int64 (N + 1,), where each sample begins and the last one ends.
        ours: whether it is packed as `data.tars.pack` packs, so that headers are read without parsing all of them.
    """

    path: Path
    starts: np.ndarray
    ours: bool

    @cached_property
    def _map(self) -> mmap.mmap:
        with self.path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def __getstate__(self) -> dict[str, object]:
        """What a worker process gets: it maps the file itself."""
        return {"path": self.path, "starts": self.starts, "ours": self.ours}

    def sample(self, begin: int, end: int) -> tuple[str, Members]:
        """Key and members of the sample that lies there.

        Raises:
            Damaged: what lies there is no sample.
        """
        block = self._map[begin:end]
        return _ours(block) if self.ours else _foreign(block)


def _ours(block: bytes) -> tuple[str, Members]:
    """The headers of our own tars say name and size and nothing else; the tar's SHA-256 vouches for them."""
    members, place, end = {}, 0, len(block)
    skip = block.index(b".") + 1
    while place < end:
        extension = block[place + skip : block.find(b"\0", place + skip)].decode("ascii")
        size = int(block[place + 124 : place + 135], 8)
        place += BLOCK
        members[extension] = block[place : place + size]
        place += size + -size % BLOCK
    return block[: skip - 1].decode("ascii"), members


def _foreign(block: bytes) -> tuple[str, Members]:
    entries = list(read_members(io.BytesIO(block + bytes(BLOCK))))
    folder, _, file = entries[0].name.rpartition("/")
    key = file.partition(".")[0]
    return f"{folder}/{key}".lstrip("/"), {e.name.rpartition("/")[2].partition(".")[2]: e.content for e in entries}


@dataclass(frozen=True)
class OpenSet:
    """The samples of several tars as one sequence.

    Attributes:
        url: for people.
        tars: in order.
        digest: of the whole: the index's, or that of the tars.
        classes: how many there are; 0 where nothing says so.
    """

    url: str
    tars: Sequence[OpenTar]
    digest: str
    classes: int = 0
    places: np.ndarray = field(init=False)
    """Int64 (N, 3): of each sample the tar's number, where it begins, and where it ends."""

    def __post_init__(self) -> None:
        rows = [
            np.stack([np.full(len(tar.starts) - 1, number), tar.starts[:-1], tar.starts[1:]], axis=1)
            for number, tar in enumerate(self.tars)
        ]
        object.__setattr__(self, "places", np.concatenate(rows))

    def __len__(self) -> int:
        return len(self.places)

    def samples(self, rows: np.ndarray) -> Iterator[tuple[str, Members]]:
        """Key and members of the samples numbered `rows`, int64 (M,), from 0, in that order."""
        for tar, begin, end in self.places[rows].tolist():
            yield self.tars[tar].sample(begin, end)


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
    tars = []
    for shard in found.shards:
        path = _local(store, shard.tar, shard.sha256, cache)
        if verify and store.folder is not None and sha256_of(path) != shard.sha256:
            raise Damaged(f"{path} is damaged: its SHA-256 is not the one in {INDEX}; see `hardshard repair`")
        starts = np.frombuffer(store.read(f"{shard.tar}.idx"), "<u8").astype(np.int64)
        if len(starts) != shard.samples + 1 or starts[-1] > shard.bytes:
            raise Damaged(f"{store.where(shard.tar)}.idx does not fit its tar; see `hardshard repair`")
        tars.append(OpenTar(path, starts, ours=True))
    names = found.facts.get("class_names", [])
    return OpenSet(store.url, tars, str(found.facts["digest"]), len(names) if isinstance(names, list) else 0)


def _plain(store: Store, cache: Path | None) -> OpenSet:
    names = [name for name in store.names() if name.endswith(".tar")]
    if not names:
        raise WrongUse(f"{store.url} holds no tar")
    tars = []
    for name in names:
        path = _local(store, name, digest_of([store.where(name), store.mark(name)]), cache)
        tars.append(OpenTar(path, _starts(path), ours=False))
    return OpenSet(store.url, tars, digest_of([[name, store.mark(name)] for name in names]))


def _starts(path: Path) -> np.ndarray:
    """Where the samples of a foreign tar begin, and the last one ends."""
    starts, last = [], ""
    try:
        with path.open("rb") as tar:
            for entry in read_members(tar):
                folder, _, file = entry.name.rpartition("/")
                if (key := f"{folder}/{file.partition('.')[0]}") != last:
                    starts.append(entry.start)
                    last = key
    except Damaged as error:
        raise Damaged(f"{path}: {error}") from error
    size = path.stat().st_size
    return np.array([*starts, size - _end_mark(path, size)], dtype=np.int64)


def _end_mark(path: Path, size: int) -> int:
    """Bytes of zero blocks at the end."""
    with path.open("rb") as tar:
        tar.seek(max(0, size - 2 * RECORD))
        tail = tar.read()
    return (len(tail) - len(tail.rstrip(b"\0"))) // BLOCK * BLOCK


def _local(store: Store, name: str, digest: str, cache: Path | None) -> Path:
    if store.folder is not None:
        return Path(store.path(name))
    if cache is None:
        raise WrongUse(f"{store.url} is read through a local folder: give `cache`")
    path = cache / f"{digest}.tar"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f".{digest}.lock"):
        if not path.is_file():
            content = store.read(name)
            if store.has(INDEX) and hashlib.sha256(content).hexdigest() != digest:
                raise Damaged(f"{store.where(name)} is damaged: its SHA-256 is not the one in {INDEX}")
            write_atomically(path, content)
    return path
