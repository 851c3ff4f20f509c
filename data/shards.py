"""A shard set: WebDataset tars of even length, what each reader needs beside them, manifests, and the index.

docs/format.md is the contract for readers outside. The index is written last: a folder without it is no set. Nothing
holds a clock, a user or a host, so the same samples give the same bytes.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import cast

import data.sidecars
from data.errors import Damaged
from data.files import canonical_json, digest_of
from data.plugins import plugin, plugin_names
from data.sidecars import SetFacts, ShardRecord, Sidecar
from data.store import CLAIM, INDEX, Store
from data.tars import Packed

FORMAT = "hardshard-set-2"
MANIFESTS = "manifest"
"""The folder of the manifests within the set."""


@dataclass(frozen=True)
class ManifestRecord:
    """A manifest as the index lists it: its name within the set's folder, its rows, its SHA-256 in hex."""

    name: str
    rows: int
    sha256: str


@dataclass(frozen=True)
class ShardSet:
    """A finished set.

    Attributes:
        store: where it lies.
        facts: all of its index.
        shards, manifests: in the order of their numbers.
        sidecars: those of the whole set, file -> SHA-256.
    """

    store: Store
    facts: Mapping[str, object]
    shards: Sequence[ShardRecord]
    manifests: Sequence[ManifestRecord]
    sidecars: Mapping[str, str]

    def digests(self) -> Iterator[tuple[str, str]]:
        """Every file but the index, and its SHA-256 in hex."""
        for shard in self.shards:
            yield shard.tar, shard.sha256
            yield from shard.sidecars.items()
        yield from ((manifest.name, manifest.sha256) for manifest in self.manifests)
        yield from self.sidecars.items()


def shard_name(split: str, number: int) -> str:
    """A tar's name within its set."""
    return f"{split}-{number:06d}.tar"


def write_shard(store: Store, name: str, packed: Packed) -> ShardRecord:
    """Put a tar and its sidecars into a set that is not finished yet."""
    written = store.write_all({name: packed.content, **_beside(name, packed)})
    return _recorded(name, packed, written.pop(name), written)


def write_sidecars(store: Store, name: str, packed: Packed) -> ShardRecord:
    """Put what belongs beside a tar that lies in its set already."""
    return _recorded(name, packed, hashlib.sha256(packed.content).hexdigest(), store.write_all(_beside(name, packed)))


def _beside(name: str, packed: Packed) -> dict[str, bytes]:
    files = {file: content for part in _sidecars() for file, content in part.of_shard(name, packed).items()}
    return dict(sorted(files.items()))


def _recorded(name: str, packed: Packed, sha256: str, sidecars: Mapping[str, str]) -> ShardRecord:
    return ShardRecord(
        tar=name,
        samples=len(packed.starts) - 1,
        bytes=len(packed.content),
        sha256=sha256,
        sidecars=sidecars,
    )


def write_manifest(store: Store, name: str, rows: int, content: bytes) -> ManifestRecord:
    """Put one manifest into a set that is not finished yet."""
    name = f"{MANIFESTS}/{name}"
    return ManifestRecord(name, rows, store.write(name, content))


def open_for_writing(store: Store) -> None:
    """Take the index away: from here until `commit` the folder is no set."""
    store.remove(INDEX)


def commit(
    store: Store,
    facts: SetFacts,
    more: Mapping[str, object],
    manifests: Sequence[ManifestRecord],
    *,
    replace: bool = False,
) -> ShardSet:
    """Finish a set: write what describes the whole of it, take away what it does not list, and write its index last.

    Args:
        store: holds the shards and manifests already.
        facts: of the whole set.
        more: JSON values for the index: seed, round, digests of what made it.
        manifests: one a draft.
        replace: put the index over the one that is there, for a set that is being mended.

    Raises:
        Damaged: an index is there already, so somebody else finished the set meanwhile.
    """
    files = {file: content for part in _sidecars() for file, content in part.of_set(facts).items()}
    sidecars = store.write_all(dict(sorted(files.items())))
    index = _index(facts, more, manifests, sidecars)
    finished = _parsed(store, index)
    listed = {name for name, _ in finished.digests()}
    if replace:
        store.write(INDEX, canonical_json(index))
        _remove_others(store, listed)
        return finished
    _remove_others(store, listed)
    if not store.create(INDEX, canonical_json(index)):
        raise Damaged(f"{store.where(INDEX)} was written by somebody else meanwhile; run the build again")
    return finished


@lru_cache
def _sidecars() -> tuple[Sidecar, ...]:
    return tuple(cast(Sidecar, plugin(data.sidecars, name)) for name in plugin_names(data.sidecars))


def _index(
    facts: SetFacts, more: Mapping[str, object], manifests: Sequence[ManifestRecord], sidecars: Mapping[str, str]
) -> dict[str, object]:
    index = {
        "format": FORMAT,
        **more,
        **asdict(facts),
        "samples": facts.samples,
        "attempted": facts.attempted,
        "manifests": [asdict(manifest) for manifest in manifests],
        "sidecars": dict(sidecars),
    }
    plain = cast(dict[str, object], json.loads(canonical_json(index)))  # tuples become lists
    return plain | {"digest": digest_of(plain)}


def _remove_others(store: Store, listed: set[str]) -> None:
    """Take away what an earlier or interrupted build left: a folder holds what its index lists."""
    for name in store.names():
        if name not in listed and name not in (CLAIM, INDEX):
            store.remove(name)


def read_index(store: Store) -> ShardSet:
    """A finished set's index; the files it lists are not looked at.

    Raises:
        Damaged: no index (an unfinished set), an index of another format, or one that was altered.
    """
    found = altered_index(store)
    if found.facts.get("digest") != digest_of({name: v for name, v in found.facts.items() if name != "digest"}):
        raise Damaged(f"{store.where(INDEX)} was altered: its digest is another; `hardshard repair` counts anew")
    return found


def altered_index(store: Store) -> ShardSet:
    """The index of a set, even if somebody edited it.

    Raises:
        Damaged: there is none, it is of another format, or it does not list its files.
    """
    if not store.has(INDEX):
        raise Damaged(f"{store.url} is no finished shard set: {INDEX} is missing; run the build again")
    where = store.where(INDEX)
    try:
        index = json.loads(store.read(INDEX))
    except ValueError as error:
        raise Damaged(f"{where} is not JSON ({error}): rebuild the set") from error
    if not isinstance(index, dict) or index.get("format") != FORMAT:
        found = index.get("format") if isinstance(index, dict) else index
        raise Damaged(f"{where} has format {found!r}, not {FORMAT!r}: rebuild the set with this version")
    return _parsed(store, index)


def _parsed(store: Store, index: Mapping[str, object]) -> ShardSet:
    try:
        shards = [ShardRecord(**entry) for entry in index["shards"]]  # type: ignore[attr-defined]
        manifests = [ManifestRecord(**entry) for entry in index["manifests"]]  # type: ignore[attr-defined]
        found = ShardSet(store, index, shards, manifests, cast(Mapping[str, str], index["sidecars"]))
    except (KeyError, TypeError) as error:
        raise Damaged(f"{store.where(INDEX)} does not list its files ({error}): rebuild the set") from error
    for name, _ in found.digests():
        store.path(name)
    return found


def open_set(store: Store) -> ShardSet:
    """A finished set, each tar's and manifest's SHA-256 checked.

    Raises:
        Damaged: see `read_index`; or a file is missing or altered.
    """
    found = read_index(store)
    for name, digest in found.digests():
        if hashlib.sha256(store.read(name)).hexdigest() != digest:
            raise Damaged(
                f"{store.where(name)} is damaged: its SHA-256 is not the one in {INDEX}; "
                "`hardshard repair` says what is lost, or delete it and run the build again"
            )
    return found
