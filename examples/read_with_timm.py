"""Read a shard set with timm: `python read_with_timm.py FOLDER`."""

import json
import sys
from pathlib import Path
from zlib import crc32

import timm
from timm.data import create_dataset


def main(folder: Path) -> None:
    """Read every sample once, and tell what was read; timm makes all pictures RGB and keeps no keys."""
    splits = json.loads((folder / "_info.json").read_bytes())["splits"]
    samples, total = {}, 0
    for split in splits:
        data = create_dataset("wds/set", root=str(folder), split=split, batch_size=50)
        pictures = list(data)
        samples[split] = len(pictures)
        total += sum(crc32(image.tobytes(), crc32(f" {label}".encode())) for image, label in pictures)
    print(json.dumps({"consumer": f"timm {timm.__version__}", "samples": samples, "checksum": total}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
