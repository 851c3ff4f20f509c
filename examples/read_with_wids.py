"""Read samples of a shard set in any order with wids: `python read_with_wids.py FOLDER`."""

import io
import json
import random
import sys
from importlib.metadata import version
from pathlib import Path
from zlib import crc32

import numpy as np
import wids
from PIL import Image


def main(folder: Path) -> None:
    """Draw every sample once at random, and tell what was read."""
    index = next(folder.glob("wids-*.json"))
    # Any other cache_dir copies each tar first.
    data = wids.ShardListDataset(str(index), cache_dir=str(folder.resolve()), transformations=[])
    order = random.Random(0).sample(range(len(data)), len(data))
    keys, total = set(), 0
    for place in order:
        sample = data[place]
        image, label = np.array(Image.open(io.BytesIO(sample[".png"].read()))), int(sample[".cls"].read())
        keys.add(sample["__key__"])
        total += crc32(image.tobytes(), crc32(f"{sample['__key__']} {label}".encode()))
    report = {
        "consumer": f"wids {version('wids')}",
        "samples": {index.stem.removeprefix("wids-"): len(keys)},
        "image": list(image.shape),
        "checksum": total,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
