"""Train on pictures, sound and features at once with webdataset: `python train_on_pairs_with_webdataset.py FOLDER`."""

import io
import json
import sys
from collections import Counter
from pathlib import Path
from zlib import crc32

import numpy as np
import soundfile
import torch
import webdataset
from PIL import Image
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

EPOCHS = 4
NAMES = ("flac", "npy", "png")


def decode(sample: dict[str, bytes]) -> dict[str, object]:
    """Sound float (T,), features float (F, D), image float (C, H, W) in [0, 1], caption, facts, soft label (K,)."""
    sound, _ = soundfile.read(io.BytesIO(sample["flac"]), dtype="float32")
    return {
        "flac": torch.from_numpy(sound),
        "npy": torch.from_numpy(np.load(io.BytesIO(sample["npy"]), allow_pickle=False)),
        "png": torch.from_numpy(np.array(Image.open(io.BytesIO(sample["png"])))).permute(2, 0, 1) / 255,
        "txt": sample["txt"].decode(),
        "json": json.loads(sample["json"]),
        "probs.npy": torch.from_numpy(np.load(io.BytesIO(sample["probs.npy"]), allow_pickle=False)),
    }


class Late(torch.nn.Module):
    """The mean of one linear classifier a modality."""

    def __init__(self, batch: dict[str, Tensor]) -> None:
        super().__init__()
        classes = batch["probs.npy"].shape[1]
        self.branches = torch.nn.ModuleDict(
            {name: torch.nn.Linear(batch[name][0].numel(), classes) for name in NAMES},
        )

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Logits, float (B, K)."""
        return sum(self.branches[name](batch[name].flatten(1)) for name in NAMES) / len(NAMES)


def train(loader: DataLoader) -> list[float]:
    """The mean loss of each epoch, on soft labels."""
    torch.manual_seed(0)
    model = Late(next(iter(loader)))
    optimizer, epochs = torch.optim.Adam(model.parameters(), lr=0.003), []
    for _ in range(EPOCHS):
        losses = []
        for batch in loader:
            loss = cross_entropy(model(batch), batch["probs.npy"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        epochs.append(round(sum(losses) / len(losses), 4))
    return epochs


def main(folder: Path) -> None:
    """Train, and tell what was read: which modality was touched how often, and a checksum over the captions."""
    split = json.loads((folder / "index.json").read_bytes())["split"]
    tars = sorted(str(path) for path in folder.glob(f"{split}-*.tar"))
    data = webdataset.WebDataset(tars, shardshuffle=False).map(decode)
    samples = list(data)
    tensors = data.map(lambda sample: {name: sample[name] for name in (*NAMES, "probs.npy")})
    loader = DataLoader(tensors, batch_size=50)
    report = {
        "consumer": f"webdataset {webdataset.__version__}",
        "samples": {split: len(samples)},
        "batch": {name: list(next(iter(loader))[name].shape) for name in NAMES},
        "touched": Counter(sample["json"]["touched"] for sample in samples),
        "captions": sum(crc32(sample["txt"].encode()) for sample in samples),
        "loss": train(loader),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
