"""Build and stream a shard set with Hugging Face datasets: `python read_with_datasets.py FOLDER`."""

import io
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from zlib import crc32

import datasets
import numpy as np


def checksum(samples: Iterable[Mapping[str, object]]) -> int:
    """Over keys, labels and pixels, in any order."""
    return sum(crc32(np.array(s["png"]).tobytes(), crc32(f"{s['__key__']} {s['cls']}".encode())) for s in samples)


def resumes(folder: str, split: str) -> bool:
    """Whether a stream that is interrupted goes on with the very next sample."""
    stream = datasets.load_dataset(folder, split=split, streaming=True)
    keys = iter(sample["__key__"] for sample in stream)
    for _ in range(70):
        next(keys)
    state = stream.state_dict()
    again = datasets.load_dataset(folder, split=split, streaming=True)
    again.load_state_dict(state)
    return list(keys) == [sample["__key__"] for sample in again]


def main(folder: str) -> None:
    """Read everything twice, and tell what was read."""
    built = datasets.load_dataset(folder)
    streamed = datasets.load_dataset(folder, streaming=True)
    ((split, data),) = built.items()
    report = {
        "consumer": f"datasets {datasets.__version__}",
        "samples": {split: len(data)},
        "features": {name: str(kind) for name, kind in data.features.items()},
        "margins": sum(sample["margin"] for sample in data["json"]),
        "checksum": checksum(data),
        "streamed": checksum(streamed[split]),
        "resumes": resumes(folder, split),
    }
    if "flac" in data.features:
        report["seconds_of_audio"] = seconds(data["flac"])
    if "npy" in data.features:  # of several modalities: which was touched, and how far, in its own units
        report["touched"] = Counter(sample["touched"] for sample in data["json"])
        report["moved_image"] = sum(sample["moved_image"] for sample in data["json"])
        report["sum_of_features"] = float(sum(np.sum(frames) for frames in data["npy"]))
    print(json.dumps(report))


def seconds(sounds: Iterable[bytes]) -> float:
    """How long they are together."""
    import soundfile

    return sum(soundfile.info(io.BytesIO(sound)).duration for sound in sounds)


if __name__ == "__main__":
    main(sys.argv[1])
