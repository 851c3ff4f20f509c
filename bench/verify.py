"""How fast does `hardshard verify` look at every byte, beside what its parts cost?

    python bench/verify.py --out bench/out/verify.json

On one core: sets of small, middling and large PNGs. The floor is SHA-256 of the same bytes; beside it stands decoding
every image by Pillow, what a check by decoding would cost at least.
"""

import argparse
import hashlib
import io
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from data.drafts import Judged, write_draft
from data.packing import About, finish, pack_shard, plan
from data.records import Batch, Candidates, Verdict
from data.store import Store
from data.tars import contents
from data.verify import verify

SETS = {"8x8 grey": (4000, 1, 8), "28x28 grey": (4000, 1, 28), "64x64 RGB": (1500, 3, 64), "224x224 RGB": (120, 3, 224)}


def build(folder: Path, count: int, channels: int, side: int) -> Path:
    """A set of noise, which no codec can shorten."""
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(count, channels, side, side, generator=rng)
    labels = torch.arange(count) % 10
    margins = torch.rand(count, generator=rng)
    made = Candidates(Batch(("",) * count, {"image": images}, labels), "noise", ((),) * count, {}, margins, margins)
    judged = Judged(made, Verdict(("",) * count, {"chance": margins}), torch.full((count, 10), 0.1))
    record = write_draft(folder / "drafts", "train", 0, [judged], rng)
    dealt, store = plan(folder / "drafts", [record], "train", 4, seed=0), Store(str(folder / "set"))
    shards = [pack_shard(dealt, number, store) for number in range(4)]
    about = About("bench", [str(label) for label in range(10)], {"image": [channels, side, side]})
    finish(dealt, shards, store, about, {"seed": 0})
    return folder / "set"


def best_of(work: Callable[[], object], repeats: int = 3) -> float:
    """Seconds of the fastest of some turns."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def check(folder: Path, *, quick: bool) -> None:
    """What the command does; fails if it finds anything."""
    if findings := verify(Store(str(folder)), quick=quick):
        raise SystemExit(findings[0])


def hash_all(tars: list[Path]) -> None:
    for path in tars:
        hashlib.sha256(path.read_bytes()).hexdigest()


def decode_all(tars: list[Path]) -> None:
    for path in tars:
        tar = path.read_bytes()
        for member in contents(tar):
            if member.name.endswith(".png"):
                np.asarray(Image.open(io.BytesIO(tar[member.offset : member.offset + member.size])))


def measure(name: str) -> dict[str, object]:
    """One set's row."""
    count, channels, side = SETS[name]
    with tempfile.TemporaryDirectory() as scratch:
        folder = build(Path(scratch), count, channels, side)
        tars = sorted(folder.glob("*.tar"))
        size = sum(path.stat().st_size for path in tars) / 1e6
        seconds = {
            "verify": best_of(lambda: check(folder, quick=False)),
            "verify --quick": best_of(lambda: check(folder, quick=True)),
            "SHA-256 alone": best_of(lambda: hash_all(tars)),
            "decode by Pillow": best_of(lambda: decode_all(tars)),
        }
    rates = {f"{what}, MB/s": round(size / taken) for what, taken in seconds.items()}
    speed = round(count / seconds["verify"])
    return {"set": name, "bytes/sample": round(1e6 * size / count), **rates, "verify, samples/s": speed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    known = parser.parse_args()
    torch.set_num_threads(1)
    rows = [measure(name) for name in SETS]
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console(width=140).print(table)
    if known.out:
        known.out.parent.mkdir(parents=True, exist_ok=True)
        known.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
