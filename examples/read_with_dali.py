"""Decode a shard set with NVIDIA DALI on a CPU, by its index files: `python read_with_dali.py FOLDER`."""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from zlib import crc32

import numpy as np
from nvidia.dali import fn, pipeline_def, types
from nvidia.dali.data_node import DataNode

BATCH = 50


@pipeline_def(batch_size=BATCH, num_threads=2, device_id=None)
def pictures(tars: list[str]) -> tuple[DataNode, DataNode]:
    """Image uint8 (H, W, 3) and the characters of its label."""
    indices = [str(Path(tar).with_suffix(".idx")) for tar in tars]
    png, label = fn.readers.webdataset(
        paths=tars, index_paths=indices, ext=["png", "cls"], missing_component_behavior="error", name="tars"
    )
    return fn.decoders.image(png, device="cpu", output_type=types.RGB), label


def main(folder: Path) -> None:
    """Read every sample once, and tell what was read; DALI makes all pictures RGB here and keeps no keys."""
    split = json.loads((folder / "index.json").read_bytes())["split"]
    pipe = pictures(sorted(str(path) for path in folder.glob(f"{split}-*.tar")))
    pipe.build()
    samples, total = pipe.epoch_size("tars"), 0
    for first in range(0, samples, BATCH):
        images, labels = pipe.run()
        for place in range(min(BATCH, samples - first)):  # the last batch is filled up from the start
            label = bytes(np.array(labels.at(place))).decode()
            total += crc32(np.array(images.at(place)).tobytes(), crc32(f" {label}".encode()))
    report = {
        "consumer": f"DALI {version('nvidia-dali-cuda120')}",
        "samples": {split: samples},
        "image": list(images.at(0).shape),
        "checksum": total,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
