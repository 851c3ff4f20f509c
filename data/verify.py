"""Looks at every byte of a shard set and says what is wrong, by file and member.

Each file has the SHA-256 that the index gives; every member of every tar decodes; manifests, index and tars agree; keys
are unique and labels in range. Where a tar is damaged, the manifest still tells where each sample should lie and what
its members' CRC-32 should be, so that what is lost can be told from what is not.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast
from zlib import crc32

import pyarrow as pa
import pyarrow.compute as pc

from data.decoding import Expected, problems_of
from data.errors import Damaged
from data.manifest import read_manifest
from data.shards import ShardSet, read_index
from data.sidecars import ShardRecord
from data.store import CLAIM, INDEX, Store
from data.tars import contents, members_of, pack

COLUMNS = ("key", "accepted", "reason", "label", "search", "crc32", "shard", "offset", "length")
"""Of the manifests: those that say what should be in the tars."""
MANY = 20
"""Damaged members of one tar that are named one by one; more are counted."""


@dataclass(frozen=True)
class Finding:
    """Something wrong: in which file, in which of its members (or none in particular), and what."""

    file: str
    member: str
    problem: str


def nothing(done: int, of: int) -> None:
    """Show no progress."""


def verify(store: Store, progress: Callable[[int, int], None] = nothing, *, quick: bool = False) -> list[Finding]:
    """Everything that is wrong with a set; nothing if it is whole.

    Args:
        store: the set's folder.
        progress: called with bytes looked at and bytes in all.
        quick: trust each image's own CRC-32 instead of unpacking its pixels.
    """
    try:
        found = read_index(store)
    except Damaged as error:
        return [Finding(INDEX, "", str(error))]
    findings = [*_unlisted(found), *_files(found)]
    try:
        rows = read_manifest(store, [manifest.name for manifest in found.manifests], COLUMNS)
    except Damaged as error:
        rows = None
        findings += [] if findings else [Finding("manifest", "", str(error))]
    if rows is not None:
        findings += _accounts(found, rows)
    done, total = 0, sum(shard.bytes for shard in found.shards)
    for shard in found.shards:
        mine = rows.filter(pc.equal(rows["shard"], shard.tar)).sort_by("offset") if rows is not None else None
        findings += _shard(found, shard, mine, quick=quick)
        progress(done := done + shard.bytes, total)
    return findings


def _unlisted(found: ShardSet) -> Iterator[Finding]:
    listed = {INDEX, *(name for name, _ in found.digests())}
    for name in found.store.names():
        if name == CLAIM:
            yield Finding(name, "", f"somebody is writing here: {found.store.read(name).decode(errors='replace')}")
        elif name not in listed:
            yield Finding(name, "", f"not listed in {INDEX}: left by another build, or put here by hand")


def _files(found: ShardSet) -> Iterator[Finding]:
    tars = {shard.tar for shard in found.shards}
    for name, digest in found.digests():
        if name in tars:
            continue
        try:
            if hashlib.sha256(found.store.read(name)).hexdigest() != digest:
                yield Finding(name, "", f"its SHA-256 is not the one in {INDEX}: damaged or edited")
        except Damaged:
            yield Finding(name, "", "missing")


def _accounts(found: ShardSet, rows: pa.Table) -> Iterator[Finding]:
    """Where index and manifests disagree."""
    kept = rows.filter(rows["accepted"])
    labels = Counter(kept["label"].to_pylist())
    names = list(enumerate(cast(list[str], found.facts["class_names"])))
    counted: Mapping[str, object] = {
        "attempted": len(rows),
        "samples": len(kept),
        "refused": dict(Counter(reason for reason in rows["reason"].to_pylist() if reason)),
        "by_class": {name: labels[label] for label, name in names},
        "by_search": dict(Counter(kept["search"].to_pylist())),
    }
    for what, count in counted.items():
        if count != found.facts[what]:
            yield Finding(INDEX, "", f"{what} is {found.facts[what]}, but the manifests say {count}")
    if pc.count_distinct(rows["key"]).as_py() != len(rows):
        yield Finding("manifest", "", "a sample key comes twice")
    if labels and not 0 <= min(labels) <= max(labels) < len(names):
        yield Finding("manifest", "", f"labels lie in {min(labels)} to {max(labels)}, of {len(names)} classes")
    if by_shard := Counter(kept["shard"].to_pylist()) - Counter({s.tar: s.samples for s in found.shards}):
        yield Finding(INDEX, "", f"the manifests have more samples than it lists for {', '.join(sorted(by_shard))}")


def _shard(found: ShardSet, shard: ShardRecord, rows: pa.Table | None, *, quick: bool) -> Iterator[Finding]:
    try:
        tar = found.store.read(shard.tar)
    except Damaged:
        yield Finding(shard.tar, "", f"missing, with {shard.samples} samples")
        return
    if (digest := hashlib.sha256(tar).hexdigest()) != shard.sha256:
        yield from _damage(found, shard, tar, digest, rows)
        return
    try:
        members = contents(tar)
    except Damaged as error:
        yield Finding(shard.tar, "", str(error))
        return
    expected = None if rows is None else Expected(*(rows[c].to_pylist() for c in ("key", "offset", "label")))
    for member, problem in problems_of(tar, members, found.facts, expected, quick=quick):
        yield Finding(shard.tar, member, problem)


def _damage(found: ShardSet, shard: ShardRecord, tar: bytes, digest: str, rows: pa.Table | None) -> Iterator[Finding]:
    other = next((s.tar for s in found.shards if s.sha256 == digest), None)
    if other is not None:
        yield Finding(shard.tar, "", f"holds what {other} should hold: swapped or copied")
        return
    if rows is None:
        yield Finding(shard.tar, "", f"its SHA-256 is not the one in {INDEX}, and no manifest tells where")
        return
    lost = lost_members(tar, rows)
    if len(lost) == len(rows):
        yield Finding(shard.tar, "", f"none of its {len(rows)} samples is the one listed: stale, or of another set")
        return
    named = [(key, member) for key, members in lost.items() for member in members]
    for _, member in named[:MANY]:
        yield Finding(shard.tar, member, "damaged or missing")
    if len(named) > MANY:
        yield Finding(shard.tar, "", f"and {len(named) - MANY} more members of {len(lost)} samples in all")
    if not named:
        yield Finding(shard.tar, "", f"every sample is whole, but its end is not: {len(tar)} of {shard.bytes} bytes")


def lost_members(tar: bytes, rows: pa.Table) -> dict[str, list[str]]:
    """Sample key -> names of its members that are not as written, for each sample that is not whole.

    Args:
        tar: a damaged tar.
        rows: the manifest rows of the samples in it.
    """
    lost = {}
    for key, offset, length, sums in zip(
        *(rows[name].to_pylist() for name in ("key", "offset", "length", "crc32")), strict=True
    ):
        if harmed := _harmed(tar[offset : offset + length], key, sums):
            lost[key] = harmed
    return lost


def _harmed(block: bytes, key: str, sums: list[tuple[str, int]]) -> list[str]:
    found: dict[str, bytes] = {}
    try:
        for member in members_of(block):
            found[member.name.removeprefix(f"{key}.")] = block[member.offset : member.offset + member.size]
    except Damaged:
        pass  # the members before the damage are in `found`
    harmed = [name for name, expected in sums if name not in found or crc32(found[name]) != expected]
    if not harmed and pack([(key, found)]).content[: len(block)] != block:
        harmed = [name for name, _ in sums]  # between the members
    return [f"{key}.{name}" for name in harmed]
