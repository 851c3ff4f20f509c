"""How fast are shards written, in how many bytes and how much memory, beside webdataset's own writer?

    python bench/shards.py --out bench/out/shards.json           the table, ratios within one run
    python bench/shards.py --memory --out bench/out/memory.json  peak memory at 10 thousand and a million samples

Ours is everything a set has: tars, SHA-256, all sidecars, manifests, card and index, each file flushed to the disk and
renamed. ShardWriter writes tars. The floor is what no writer can beat: joining the same bytes and writing them.
"""

import argparse
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np
import pyarrow as pa
import webdataset
from PIL import Image
from rich.console import Console
from rich.table import Table

from data.draft_files import DraftRecord, draft_files
from data.files import canonical_json, write_atomically
from data.manifest import SCHEMA, encode_table
from data.packing import About, finish, pack_shard, plan
from data.shards import ManifestRecord, commit, shard_name, write_manifest, write_shard
from data.sidecars import SetFacts, ShardRecord
from data.store import Store
from data.tars import Packed, Sample, floor, pack

KINDS = ("28x28 PNG", "20 kB image", "image + audio")
EACH = 2000
"""Samples a shard."""


def samples_of(kind: str, count: int) -> list[Sample]:
    """Samples as encoded bytes, what a writer gets."""
    draw = np.random.default_rng(0)
    found = []
    for number in range(count):
        facts = {"label": number % 10, "margin": 0.5, "margin_before": 3.25, "parents": "", "search": "latent_walk"}
        members = {"cls": b"%d" % (number % 10), "json": canonical_json(facts)}
        if kind == "28x28 PNG":
            members["png"] = _png(draw, 28)
        else:
            members["jpg" if kind == "20 kB image" else "png"] = draw.bytes(20_000)
        if kind == "image + audio":
            members |= {"flac": draw.bytes(5500), "txt": b"a spoken three"}
        found.append((f"train-{number // 1000:06d}-{number % 1000:06d}", members))
    return found


def _png(draw: np.random.Generator, side: int) -> bytes:
    out = io.BytesIO()
    pixels = np.zeros((side, side), dtype=np.uint8)
    pixels[6:22, 6:22] = draw.integers(0, 256, (16, 16))
    Image.fromarray(pixels).save(out, "png", compress_level=1)
    return out.getvalue()


def manifest_of(samples: Sequence[Sample], tar: str, starts: Sequence[int]) -> bytes:
    """The manifest of one tar's samples, column by column."""
    count, names = len(samples), sorted(samples[0][1])
    sums = [crc32(members[name]) for _, members in samples for name in names]
    ends = np.arange(count + 1, dtype=np.int32)
    columns = {
        "key": [key for key, _ in samples],
        "accepted": pa.repeat(True, count),
        "reason": pa.repeat("", count),
        "label": [int(members["cls"]) for _, members in samples],
        "search": pa.repeat("latent_walk", count),
        "parents": pa.ListArray.from_arrays(0 * ends, pa.array([], pa.string())),
        "margin_before": pa.repeat(pa.scalar(3.25, pa.float32()), count),
        "margin": pa.repeat(pa.scalar(0.5, pa.float32()), count),
        "scores": pa.MapArray.from_arrays(0 * ends, pa.array([], pa.string()), pa.array([], pa.float32())),
        "soft_label": pa.ListArray.from_arrays(0 * ends, pa.array([], pa.float32())),
        "sha256": pa.repeat("", count),
        "crc32": pa.MapArray.from_arrays(ends * len(names), pa.array(names * count), pa.array(sums, pa.int64())),
        "shard": pa.repeat(tar, count),
        "offset": starts[:-1] if tar else pa.repeat(pa.scalar(-1, pa.int64()), count),
        "length": np.diff(starts),
    }
    return encode_table(pa.table(columns, schema=SCHEMA))


def ours(folder: Path, samples: Sequence[Sample], each: int) -> None:
    """The whole set, straight from encoded samples; a shard is packed while those before it go to the disk."""
    store = Store(str(folder))
    with ThreadPoolExecutor(4) as disk:
        under_way = []
        for number, first in enumerate(range(0, len(samples), each)):
            mine = samples[first : first + each]
            under_way.append(disk.submit(write_one, store, number, mine, pack(mine)))
            if number > 4:
                under_way[number - 4].result()  # so that memory holds a few shards at most
        shards, manifests = zip(*(future.result() for future in under_way), strict=True)
    commit(store, facts_of(samples, shards), {"seed": 0}, manifests)


def write_one(
    store: Store, number: int, samples: Sequence[Sample], packed: Packed
) -> tuple[ShardRecord, ManifestRecord]:
    """One shard with its sidecars and manifest."""
    record = write_shard(store, shard_name("train", number), packed)
    manifest = manifest_of(samples, record.tar, packed.starts)
    return record, write_manifest(store, f"train-{number:06d}.parquet", len(samples), manifest)


def facts_of(samples: Sequence[Sample], shards: Sequence[ShardRecord]) -> SetFacts:
    """What the card and the index say."""
    names = [str(label) for label in range(10)]
    kinds = {"cls": "label", "json": "facts", "png": "image", "jpg": "image", "flac": "audio", "txt": "text"}
    members = {extension: kinds[extension] for extension in sorted(samples[0][1])}
    by_class = dict.fromkeys(names, len(samples) // 10)
    shapes = {"image": [1, 28, 28]}
    return SetFacts("bench", "train", names, members, shapes, shards, {}, by_class, {"latent_walk": len(samples)})


def by_shard_writer(folder: Path, samples: Sequence[Sample], each: int, **more: object) -> None:
    """webdataset's writer; `mtime=0` keeps it from writing a pax header a member."""
    folder.mkdir()
    with webdataset.ShardWriter(f"{folder}/train-%06d.tar", maxcount=each, verbose=0, encoder=False, **more) as writer:
        for key, members in samples:
            writer.write({"__key__": key, **members})


def by_tarfile(folder: Path, samples: Sequence[Sample], each: int) -> None:
    """Python's tarfile, ustar."""
    folder.mkdir()
    for number, first in enumerate(range(0, len(samples), each)):
        with tarfile.open(folder / f"train-{number:06d}.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
            for key, members in samples[first : first + each]:
                for extension, content in sorted(members.items()):
                    member = tarfile.TarInfo(f"{key}.{extension}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))


def by_join(folder: Path, samples: Sequence[Sample], each: int, *, flush: bool = False) -> None:
    """The floor: the same number of bytes joined and written, no headers made; hashed and flushed on request."""
    folder.mkdir()
    for number, first in enumerate(range(0, len(samples), each)):
        parts = []
        for _, members in samples[first : first + each]:
            for content in members.values():
                parts += [_HEADER, content, _HEADER[: -len(content) % 512]]
        path, content = folder / f"train-{number:06d}.tar", b"".join(parts)
        if flush:
            write_atomically(path, content)
        else:
            path.write_bytes(content)


_HEADER = bytes(512)


def by_drafts(folder: Path, samples: Sequence[Sample], each: int) -> None:
    """Ours as the pipeline does it: drafts first, then dealt to shards, so that every byte is written twice."""
    records = []
    for number, first in enumerate(range(0, len(samples), each)):
        mine = samples[first : first + each]
        packed, names = pack(mine), draft_files("train", number)
        write_atomically(folder / "drafts" / names[0], packed.content)
        write_atomically(folder / "drafts" / names[1], manifest_of(mine, "", packed.starts))
        records.append(DraftRecord(*names, len(mine), len(mine)))
    store = Store(str(folder / "set"))
    dealt = plan(folder / "drafts", records, "train", len(records), seed=0)
    shards = [pack_shard(dealt, number, store) for number in range(len(records))]
    finish(dealt, shards, store, About("bench", [str(n) for n in range(10)], {"image": [1, 28, 28]}), {"seed": 0})


Writer = Callable[[Path, Sequence[Sample], int], None]
WRITERS: dict[str, Writer] = {
    "ours, the whole set": ours,
    "ours, drafts and set": by_drafts,
    "ShardWriter(mtime=0)": partial(by_shard_writer, mtime=0),
    "ShardWriter": by_shard_writer,
    "tarfile, ustar": by_tarfile,
    "floor: join + write": by_join,
    "floor: join + SHA-256 + write + flush": partial(by_join, flush=True),
}


def measure(kind: str, count: int, repeats: int) -> Iterator[dict[str, object]]:
    """Each writer in turn, `repeats` times; the best of each."""
    samples = samples_of(kind, count)
    best = dict.fromkeys(WRITERS, float("inf"))
    sizes = {}
    for _ in range(repeats):
        for name, write in WRITERS.items():
            with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as scratch:
                folder = Path(scratch) / "set"
                began = time.perf_counter()
                write(folder, samples, EACH)
                best[name] = min(best[name], time.perf_counter() - began)
                tars = folder.glob("set/*.tar") if name == "ours, drafts and set" else folder.glob("*.tar")
                sizes[name] = sum(path.stat().st_size for path in tars)
    least = sum(
        floor(len(content) for _, members in samples[first : first + EACH] for content in members.values())
        for first in range(0, count, EACH)
    )
    for name, seconds in best.items():
        yield {
            "samples": kind,
            "writer": name,
            "samples/s": round(count / seconds),
            "x ShardWriter(mtime=0)": round(best["ShardWriter(mtime=0)"] / seconds, 2),
            "share of floor": round(best["floor: join + write"] / seconds, 2),
            "bytes/sample": round(sizes[name] / count, 1),
            "tar floor, bytes/sample": round(least / count, 1),
        }


def peak_memory(count: int) -> float:
    """MiB at most that a process of its own takes to write `count` samples of 28x28 in 2000 a shard."""
    command = [sys.executable, __file__, "--write", str(count)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def write_many(count: int) -> None:
    """Write `count` samples through drafts, made as they are needed, and print this process's peak memory."""
    folder = Path(tempfile.mkdtemp(dir=os.environ.get("BENCH_DIR")))
    each, (_, members) = EACH, samples_of("28x28 PNG", 1)[0]
    records = []
    for number in range(count // each):
        mine = [(f"train-{number:06d}-{place:06d}", members) for place in range(each)]
        packed, names = pack(mine), draft_files("train", number)
        write_atomically(folder / "drafts" / names[0], packed.content)
        write_atomically(folder / "drafts" / names[1], manifest_of(mine, "", packed.starts))
        records.append(DraftRecord(*names, each, each))
    store = Store(str(folder / "set"))
    dealt = plan(folder / "drafts", records, "train", len(records), seed=0)
    shards = [pack_shard(dealt, number, store) for number in range(len(records))]
    finish(dealt, shards, store, About("bench", [str(n) for n in range(10)], {"image": [1, 28, 28]}), {"seed": 0})
    shutil.rmtree(folder)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000, help="samples of 28x28; half of it of the others")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory", action="store_true", help="measure memory instead")
    parser.add_argument("--write", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path)
    known = parser.parse_args()
    if known.write:
        return write_many(known.write)
    if known.memory:
        sizes = (10_000, 100_000, 1_000_000)
        rows: list[dict[str, object]] = [{"samples": size, "peak MiB": round(peak_memory(size))} for size in sizes]
    else:
        counts = {"28x28 PNG": known.count, "20 kB image": known.count // 2, "image + audio": known.count // 2}
        rows = [row for kind in KINDS for row in measure(kind, counts[kind], known.repeats)]
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console(width=160).print(table)
    if known.out:
        known.out.parent.mkdir(parents=True, exist_ok=True)
        known.out.write_text(json.dumps(rows, indent=1) + "\n")
    return None


if __name__ == "__main__":
    main()
