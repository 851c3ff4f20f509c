"""How fast are samples fed, raw and decoded, beside what others read?

    python bench/feed.py --out bench/out/feed.json

20,000 samples of 28x28 PNG + cls + json + probs.npy in 10 shards, read once from the page cache by one process, each
reader in turn, the best of some turns. Ours shuffles over the whole set; the others read in order.
"""

import argparse
import io
import json
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
import webdataset
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader

from bench.shards import samples_of
from data.feed import Feed, FeedOptions
from data.shards import commit, shard_name, write_shard
from data.sidecars import SetFacts
from data.store import Store
from data.tars import Sample, pack

COUNT, SHARDS = 20_000, 10


def make_set(folder: Path) -> list[str]:
    """The set; returns its tars."""
    soft = io.BytesIO()
    np.save(soft, np.full(10, 0.1, dtype=np.float32))
    more = {"probs.npy": soft.getvalue()}
    samples: list[Sample] = [(key, members | more) for key, members in samples_of("28x28 PNG", COUNT)]
    store, each = Store(str(folder)), COUNT // SHARDS
    parts = [pack(samples[first : first + each]) for first in range(0, COUNT, each)]
    shards = [write_shard(store, shard_name("train", number), packed) for number, packed in enumerate(parts)]
    members = {"cls": "label", "json": "facts", "png": "image", "probs.npy": "soft_label"}
    names = [str(label) for label in range(10)]
    commit(store, SetFacts("bench", "train", names, members, {"image": [1, 28, 28]}, shards, {}, {}, {}), {}, [])
    return [str(folder / shard.tar) for shard in shards]


def by_us(folder: Path, *, decode: bool, workers: int = 0) -> int:
    """Ours, shuffled over all samples, in batches of 64."""
    feed = Feed([str(folder)], FeedOptions(batch_size=64, decode=decode))
    return sum(len(batch.keys) for batch in DataLoader(feed, batch_size=None, num_workers=workers))


def by_webdataset(tars: list[str], stage: Callable[[webdataset.WebDataset], Iterator[object]]) -> int:
    """webdataset, in the order of the tars."""
    return sum(1 for _ in stage(webdataset.WebDataset(tars, shardshuffle=False)))


def by_tarfile(tars: list[str]) -> int:
    """Python's tarfile, streamed, members read."""
    count = 0
    for path in tars:
        with tarfile.open(path, "r|") as tar:
            for member in tar:
                if (file := tar.extractfile(member)) is not None:
                    file.read()
                count += member.name.endswith(".cls")
    return count


def with_pillow(sample: dict[str, bytes]) -> tuple[torch.Tensor, int, np.ndarray]:
    """The least that a webdataset user can do to get what `Feed` gives."""
    pixels = torch.from_numpy(np.array(Image.open(io.BytesIO(sample["png"]))))[None]
    return pixels, int(sample["cls"]), np.load(io.BytesIO(sample["probs.npy"]), allow_pickle=False)


def measure(repeats: int) -> Iterator[dict[str, object]]:
    """A row a reader: samples a second, and how many times the best of webdataset's of its kind."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "set"
        tars = make_set(folder)
        raw: dict[str, Callable[[], int]] = {
            "ours": partial(by_us, folder, decode=False),
            "webdataset": partial(by_webdataset, tars, iter),
            "tarfile": partial(by_tarfile, tars),
        }
        decoded: dict[str, Callable[[], int]] = {
            "ours": partial(by_us, folder, decode=True),
            "ours, 2 workers": partial(by_us, folder, decode=True, workers=2),
            "webdataset, own decoder by Pillow": partial(by_webdataset, tars, lambda data: iter(data.map(with_pillow))),
            "webdataset, decode('torchrgb')": partial(by_webdataset, tars, lambda data: iter(data.decode("torchrgb"))),
            "webdataset, decode('pil')": partial(by_webdataset, tars, lambda data: iter(data.decode("pil"))),
        }
        for kind, readers in (("raw", raw), ("decoded", decoded)):
            best = dict.fromkeys(readers, float("inf"))
            for _ in range(repeats):
                for name, read in readers.items():
                    began = time.perf_counter()
                    if read() != COUNT:
                        raise SystemExit(f"{name} did not read {COUNT} samples")
                    best[name] = min(best[name], time.perf_counter() - began)
            reference = min(seconds for name, seconds in best.items() if name.startswith("webdataset"))
            for name, seconds in best.items():
                rate, times = round(COUNT / seconds), round(reference / seconds, 2)
                yield {"kind": kind, "reader": name, "samples/s": rate, "x webdataset's best": times}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    known = parser.parse_args()
    torch.set_num_threads(1)
    rows = list(measure(known.repeats))
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console(width=120).print(table)
    if known.out:
        known.out.parent.mkdir(parents=True, exist_ok=True)
        known.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
