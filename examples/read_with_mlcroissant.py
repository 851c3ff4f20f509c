"""Read a shard set as records of key, image and label with mlcroissant: `python read_with_mlcroissant.py FOLDER`."""

import json
import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from zlib import crc32

import numpy as np


def main(folder: Path) -> None:
    """Read every record, and tell what was read."""
    import mlcroissant

    data = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
    keys, total = set(), 0
    for record in data.records("samples"):
        key, label = record["samples/key"].decode(), record["samples/label"]
        keys.add(key)
        total += crc32(np.array(record["samples/image"]).tobytes(), crc32(f"{key} {label}".encode()))
    report = {
        "consumer": f"mlcroissant {version('mlcroissant')}",
        "samples": {next(iter(keys)).partition("-")[0]: len(keys)},
        "checksum": total,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    # mlcroissant keeps unpacked tars by their name alone, so two sets that share a cache are mixed up.
    with tempfile.TemporaryDirectory() as cache:
        os.environ["CROISSANT_CACHE"] = cache
        main(Path(sys.argv[1]))
