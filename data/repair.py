"""Makes a damaged set a set again, from what is left of it, and says what is lost.

What is damaged is moved to a folder beside the set, `<set>.broken`. Samples that are whole are found by their key and
CRC-32 wherever they lie; they fill the damaged shards' places, so that shards stay numbered from 0 without a gap. An
interrupted repair is taken up by the next one.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import pyarrow as pa

from data.errors import Damaged
from data.manifest import encode_table, read_manifest
from data.packing import About, counted
from data.shards import (
    ManifestRecord,
    ShardSet,
    altered_index,
    commit,
    shard_name,
    write_manifest,
    write_shard,
    write_sidecars,
)
from data.sidecars import ShardRecord
from data.store import Store
from data.tars import Packed, Sample, pack, salvage, unpack

LOST = "lost"
"""The reason in the manifest of a sample that was kept and is no more."""


@dataclass(frozen=True)
class Repair:
    """What a repair did.

    Attributes:
        moved: damaged files, now in `<set>.broken`.
        lost: keys of the samples that are in no tar any more.
        finished: the set as it is now.
    """

    moved: Sequence[str]
    lost: Sequence[str]
    finished: ShardSet


def broken(store: Store) -> Store:
    """Where damaged files of a set are moved to."""
    return Store(f"{store.url.rstrip('/')}.broken")


def repair(store: Store) -> Repair:
    """Mend a set without the run that made it.

    Raises:
        Damaged: the index or a manifest is gone, so that only the run that made the set can make it again; or no
            sample is left.
    """
    found = altered_index(store)
    moved = move_aside(found)
    rows = _rows(found)
    whole = {shard.tar: shard for shard in found.shards if _is_whole(store, shard.tar, shard.sha256)}
    left = _left(found, rows, set(whole))
    shards = _fill(store, found, list(whole), left)
    manifests = _relisted(store, found, rows, shards)
    kept = set(rows["key"].filter(rows["accepted"]).to_pylist())
    lost = sorted(kept - {key for _, packed in shards for key in _keys(packed)})
    records = [record for record, _ in shards]
    facts = counted(store, str(found.facts["split"]), About.of(found), records, manifests)
    return Repair(moved, lost, commit(store, facts, history(found), manifests, replace=True))


def history(found: ShardSet) -> Mapping[str, object]:
    """What an index says of how its set was made."""
    return {name: found.facts[name] for name in ("seed", "round", "made_by", "modalities") if name in found.facts}


def _is_whole(store: Store, name: str, digest: str) -> bool:
    try:
        return hashlib.sha256(store.read(name)).hexdigest() == digest
    except Damaged:
        return False


def move_aside(found: ShardSet) -> list[str]:
    """Copy what is damaged out of the set; it is taken away or written over when the set is finished again."""
    away, moved = broken(found.store), []
    for name, digest in found.digests():
        if found.store.has(name) and not _is_whole(found.store, name, digest):
            away.write(name, found.store.read(name))
            moved.append(name)
    return moved


def _rows(found: ShardSet) -> pa.Table:
    for manifest in found.manifests:
        if not _is_whole(found.store, manifest.name, manifest.sha256):
            raise Damaged(
                f"{found.store.where(manifest.name)} is damaged, and only the run that made the set knows what was in "
                "it: `hardshard repair URL --run RUN`"
            )
    return read_manifest(found.store, [manifest.name for manifest in found.manifests])


def _left(found: ShardSet, rows: pa.Table, whole: set[str]) -> list[Sample]:
    """The samples that are whole, in tars that are not, in the order of the manifests."""
    listed = rows.filter(rows["accepted"]).select(["key", "crc32", "shard"]).to_pylist()
    sums = {row["key"]: dict(row["crc32"]) for row in listed if row["shard"] not in whole}
    parts: dict[str, dict[str, bytes]] = {key: {} for key in sums}
    for shard in found.shards:
        if shard.tar not in whole and found.store.has(shard.tar):
            for member, content in salvage(found.store.read(shard.tar)):
                key, _, extension = member.name.partition(".")
                if sums.get(key, {}).get(extension) == crc32(content):
                    parts[key][extension] = content
    return [(key, members) for key, members in parts.items() if members.keys() == sums[key].keys()]


def _fill(
    store: Store, found: ShardSet, whole: Sequence[str], left: Sequence[Sample]
) -> list[tuple[ShardRecord, Packed]]:
    """Every shard of the mended set: the whole ones, and those made anew in the places of the others."""
    holes = len(found.shards) - len(whole)
    count = len(whole) + min(holes, len(left))
    if not count:
        raise Damaged(f"{store.url}: no sample is left")
    split = str(found.facts["split"])
    free = [name for name in (shard_name(split, n) for n in range(count)) if name not in whole]
    out_of_range = [name for name in whole if name not in {shard_name(split, n) for n in range(count)}]
    shards = []
    for name in whole:
        packed = unpack(store.read(name))
        to = free.pop() if name in out_of_range else name
        shards.append((write_sidecars(store, name, packed) if to == name else write_shard(store, to, packed), packed))
    for hand, name in enumerate(free):
        packed = pack(left[hand :: len(free)])
        shards.append((write_shard(store, name, packed), packed))
    return sorted(shards, key=lambda shard: shard[0].tar)


def _keys(packed: Packed) -> list[str]:
    return list(dict.fromkeys(name.partition(".")[0] for name in packed.names))


def _relisted(
    store: Store, found: ShardSet, rows: pa.Table, shards: Sequence[tuple[ShardRecord, Packed]]
) -> list[ManifestRecord]:
    """The manifests again, with where each sample lies now; what is lost is refused as such.

    One that changes gets a new name, so that the old index holds until the new one replaces it.
    """
    places = {
        key: (record.tar, start)
        for record, packed in shards
        for key, start in zip(_keys(packed), packed.starts, strict=False)
    }
    written, first = [], 0
    for manifest in found.manifests:
        mine = rows.slice(first, manifest.rows).to_pylist()
        first += manifest.rows
        for row in mine:
            if row["accepted"] and row["key"] not in places:
                row |= {"accepted": False, "reason": LOST, "crc32": [], "length": 0}
            row["shard"], row["offset"] = places.get(row["key"], ("", -1))
        content = encode_table(pa.Table.from_pylist(mine, schema=rows.schema))
        name = manifest.name.rpartition("/")[2]
        if (digest := hashlib.sha256(content).hexdigest()) != manifest.sha256:
            name = f"{name.partition('.')[0]}.{digest[:8]}.parquet"
        written.append(write_manifest(store, name, len(mine), content))
    return written
