"""A shard set: WebDataset tars, a Parquet manifest beside each, and the index that makes them a set.

docs/format.md is the contract for readers outside. The tars are plain ustar, one block of members a sample, with no
clock, user or host in them, so the same samples give the same bytes.
"""

import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data.errors import Damaged
from data.files import canonical_json, read_json, sha256_of, write_atomically
from data.manifest import encode_manifest
from data.modalities import image
from data.records import Candidates, ManifestRow, Verdict

FORMAT = "hardshard-set-1"
INDEX = "index.json"


@dataclass(frozen=True)
class Judged:
    """Candidates, the verdict on them, and their soft labels, float (N, K), rows summing to 1."""

    candidates: Candidates
    verdict: Verdict
    soft_labels: Tensor


@dataclass(frozen=True)
class ShardRecord:
    """A finished shard, as its index lists it: names within the set's folder, sizes in bytes, SHA-256 in hex."""

    tar: str
    samples: int
    bytes: int
    sha256: str
    manifest: str
    manifest_sha256: str
    attempted: int


def write_shard(
    folder: Path, split: str, number: int, judged: Sequence[Judged], rng: torch.Generator
) -> ShardRecord:
    """Write `<split>-<number>.tar` with the accepted samples and its Parquet twin with every candidate.

    Candidates are shuffled by `rng`, so that a reader who takes them in order sees the searches mixed.

    Raises:
        Damaged: no candidate was accepted, so that the shard would be empty.
    """
    name = f"{split}-{number:06d}"
    rows, encoded = _rows(judged)
    order = torch.randperm(len(rows), generator=rng).tolist()
    named = [(f"{name}-{place:06d}", rows[i], encoded[i]) for place, i in enumerate(order)]
    samples = [(key, row, png) for key, row, png in named if row.accepted]
    if not samples:
        reasons = sorted({row.reason for row in rows})
        raise Damaged(
            f"{folder / name}.tar would be empty: all {len(rows)} candidates were refused ({', '.join(reasons)}); "
            "widen search.band or lower the thresholds in checks"
        )
    tar = pack_tar((key, _members(row, png)) for key, row, png in samples)
    manifest = encode_manifest([ManifestRow(**{**vars(row), "key": key}) for key, row, _ in named])
    return ShardRecord(
        tar=f"{name}.tar",
        samples=len(samples),
        bytes=len(tar),
        sha256=write_atomically(folder / f"{name}.tar", tar),
        manifest=f"{name}.parquet",
        manifest_sha256=write_atomically(folder / f"{name}.parquet", manifest),
        attempted=len(rows),
    )


def _rows(judged: Sequence[Judged]) -> tuple[list[ManifestRow], list[bytes]]:
    rows, encoded = [], []
    for group in judged:
        for place in range(len(group.candidates)):
            png = image.encode(group.candidates.batch.inputs["image"][place])
            rows.append(_row(group, place, png))
            encoded.append(png)
    return rows, encoded


def _row(group: Judged, place: int, png: bytes) -> ManifestRow:
    made, verdict = group.candidates, group.verdict
    return ManifestRow(
        key="",
        accepted=not verdict.reasons[place],
        reason=verdict.reasons[place],
        label=int(made.batch.labels[place]),
        search=made.search,
        parents=made.parents[place],
        margin_before=float(made.margins_before[place]),
        margin=float(made.margins[place]),
        scores={name: float(score[place]) for name, score in verdict.scores.items()},
        soft_label=group.soft_labels[place].tolist(),
        sha256=hashlib.sha256(png).hexdigest(),
    )


def _members(row: ManifestRow, png: bytes) -> dict[str, bytes]:
    facts = {
        "label": row.label,
        "margin": row.margin,
        "margin_before": row.margin_before,
        "parents": "+".join(row.parents),
        "search": row.search,
    }
    soft = io.BytesIO()
    np.save(soft, np.array(row.soft_label, dtype=np.float32), allow_pickle=False)
    return {
        "cls": str(row.label).encode(),
        "json": canonical_json(facts),
        image.extension: png,
        "probs.npy": soft.getvalue(),
    }


def pack_tar(samples: Iterable[tuple[str, Mapping[str, bytes]]]) -> bytes:
    """A ustar archive of (key, extension -> content), members of a sample side by side, sorted by extension."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for key, members in samples:
            for extension, content in sorted(members.items()):
                member = tarfile.TarInfo(f"{key}.{extension}")
                member.size, member.mode = len(content), 0o444
                tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def write_index(folder: Path, facts: Mapping[str, object], shards: Sequence[ShardRecord]) -> str:
    """Commit the set: write its index, last of all, and return the index's SHA-256.

    Args:
        facts: JSON values about the whole set: split, classes, shape, digests of what made it.
        shards: in the order of their numbers.
    """
    counts = {"samples": sum(s.samples for s in shards), "attempted": sum(s.attempted for s in shards)}
    index = {"format": FORMAT, **facts, **counts, "shards": [asdict(shard) for shard in shards]}
    return write_atomically(folder / INDEX, canonical_json(index))


def open_set(folder: Path) -> tuple[Mapping[str, object], list[ShardRecord]]:
    """A set's index and its shards, each file's SHA-256 checked.

    Raises:
        Damaged: no index (an unfinished set), an index of another format, or a file that is missing or altered.
    """
    path = folder / INDEX
    if not path.is_file():
        raise Damaged(f"{folder} is no finished shard set: {INDEX} is missing; run the build again")
    index = read_json(path)
    if index.get("format") != FORMAT:
        raise Damaged(f"{path} has format {index.get('format')!r}, not {FORMAT!r}: rebuild the set with this version")
    try:
        records = [ShardRecord(**entry) for entry in index["shards"]]  # type: ignore[attr-defined]
    except (KeyError, TypeError) as error:
        raise Damaged(f"{path} does not list its shards ({error}): rebuild the set") from error
    for file, digest in _files(records):
        _check(folder, file, digest)
    return index, records


def _files(records: Sequence[ShardRecord]) -> Iterator[tuple[str, str]]:
    for record in records:
        yield record.tar, record.sha256
        yield record.manifest, record.manifest_sha256


def _check(folder: Path, name: str, digest: str) -> None:
    path = folder / name
    if path.parent != folder:
        raise Damaged(f"{folder / INDEX} names {name!r}, which lies outside the set: rebuild the set")
    if not path.is_file():
        raise Damaged(f"{path} is missing: rebuild the set")
    if sha256_of(path) != digest:
        raise Damaged(f"{path} is damaged: its SHA-256 is not the one in {INDEX}; delete it and run the build again")
