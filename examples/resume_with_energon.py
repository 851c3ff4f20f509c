"""Train on a shard set with megatron-energon and resume exactly: `python resume_with_energon.py FOLDER`."""

import json
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from itertools import islice
from zlib import crc32

from megatron.energon import (
    ImageClassificationSample,
    SavableDataLoader,
    WorkerConfig,
    get_loader,
    get_savable_loader,
    get_train_dataset,
    get_val_dataset,
)

ONE = WorkerConfig(rank=0, world_size=1, num_workers=1)


def endless(folder: str) -> SavableDataLoader:
    """Shuffled batches of 50, epoch after epoch."""
    data = get_train_dataset(
        folder, worker_config=ONE, batch_size=50, shuffle_buffer_size=100, max_samples_per_sequence=100
    )
    return get_savable_loader(data)


def keys(batches: Iterable[ImageClassificationSample], count: int) -> list[list[str]]:
    """Those of the first `count` batches."""
    return [list(batch.__key__) for batch in islice(batches, count)]


def once(folder: str) -> Iterator[tuple[str, int]]:
    """Each sample's key, and a checksum over key, label and pixels; energon makes all pictures RGB."""
    for batch in get_loader(get_val_dataset(folder, split_part="train", worker_config=ONE, batch_size=1)):
        key, image, label = batch.__key__[0], batch.image[0], int(batch.label[0])
        pixels = (image * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
        yield key, crc32(pixels.tobytes(), crc32(f"{key} {label}".encode()))


def main(folder: str) -> None:
    """Read all, then interrupt a run after three batches and take it up again; tell what was read."""
    sums = dict(once(folder))
    loader = endless(folder)
    batches = iter(loader)
    before = [key for batch in keys(batches, 3) for key in batch]
    state = loader.save_state_rank()
    undisturbed = keys(batches, 5)
    resumed = endless(folder)
    resumed.restore_state_rank(state)
    report = {
        "consumer": f"megatron-energon {version('megatron-energon')}",
        "samples": {"train": len(sums)},
        "batch": list(next(batches).image.shape),
        "shuffled": before != sorted(before),
        "resumes": keys(iter(resumed), 5) == undisturbed,
        "checksum": sum(sums.values()),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1])
