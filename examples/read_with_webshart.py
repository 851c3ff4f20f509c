"""Read single members of a shard set by name with webshart: `python read_with_webshart.py FOLDER`."""

import io
import json
import sys
from collections.abc import Iterator
from zlib import crc32

import numpy as np
import webshart
from PIL import Image


def members(folder: str) -> Iterator[tuple[str, bytes]]:
    """Name and content of every member."""
    found = webshart.discover_dataset(source=folder, metadata=folder)
    for number in range(found.num_shards):
        shard = found.open_shard(number)
        for place, name in enumerate(found.list_files_in_shard(number)):
            yield name, shard.read_file(place)


def main(folder: str) -> None:
    """Read every member, and tell what was read."""
    read = dict(members(folder))
    keys = {name.partition(".")[0] for name in read}
    total = 0
    for key in keys:
        pixels = np.array(Image.open(io.BytesIO(read[f"{key}.png"])))
        total += crc32(pixels.tobytes(), crc32(f"{key} {int(read[f'{key}.cls'])}".encode()))
    report = {
        "consumer": f"webshart {webshart.__version__}",
        "samples": {min(keys).partition("-")[0]: len(keys)},
        "members": len(read),
        "checksum": total,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1])
