"""Train a small CLIP on a set of images and texts for an epoch with open_clip: `python train_with_open_clip.py FOLDER`.

open_clip 3.3.0 reads tars with webdataset 0.2.86; with 1.0 it stops with a KeyError (open_clip issue 935).
"""

import json
import re
import sys
import tempfile
from pathlib import Path

import open_clip
import webdataset
from open_clip_train.main import main as train

TINY = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
OPTIONS = {"batch-size": 50, "workers": 1, "epochs": 1, "precision": "fp32", "warmup": 2, "lr": 0.002}
OPTIONS |= {"save-frequency": 0, "log-every-n-steps": 1, "dataset-type": "webdataset", "model": "tiny"}


def main(folder: Path) -> None:
    """One epoch; tells what was read and the loss of each batch."""
    sizes = json.loads((folder / "sizes.json").read_bytes())
    split = next(iter(sizes)).partition("-")[0]
    with tempfile.TemporaryDirectory() as work:
        (Path(work) / "tiny.json").write_text(json.dumps(TINY))
        open_clip.add_model_config(Path(work) / "tiny.json")
        data = f"{folder}/{split}-{{000000..{len(sizes) - 1:06d}}}.tar"
        options = [word for name, value in OPTIONS.items() for word in (f"--{name}", str(value))]
        train(["--train-data", data, *options, "--logs", work, "--name", "run"])
        log = (Path(work) / "run" / "out.log").read_text()
    report = {
        "consumer": f"open_clip {open_clip.__version__} with webdataset {webdataset.__version__}",
        "samples": {split: sum(sizes.values())},
        "loss": [float(loss) for loss in re.findall(r"Loss: ([0-9.]+)", log)],
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
