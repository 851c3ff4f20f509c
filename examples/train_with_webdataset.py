"""Train on a shard set's soft labels with webdataset, 1.0 or 0.2: `python train_with_webdataset.py FOLDER`."""

import io
import json
import sys
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
import webdataset
from PIL import Image
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

EPOCHS = 4


def decode(sample: dict[str, bytes]) -> tuple[str, Tensor, int, Tensor]:
    """Key, image uint8 (C, H, W), label, soft label float (K,)."""
    pixels = np.array(Image.open(io.BytesIO(sample["png"])))
    image = torch.from_numpy(pixels.reshape(*pixels.shape[:2], -1)).permute(2, 0, 1)
    soft_label = np.load(io.BytesIO(sample["probs.npy"]), allow_pickle=False)
    return str(sample["__key__"]), image, int(sample["cls"]), torch.from_numpy(soft_label)


def train(loader: DataLoader) -> list[float]:
    """The mean loss of each epoch of a linear classifier."""
    torch.manual_seed(0)
    _, images, _, soft_labels = next(iter(loader))
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(images[0].numel(), soft_labels.shape[1]))
    optimizer, epochs = torch.optim.Adam(model.parameters(), lr=0.001), []
    for _ in range(EPOCHS):
        losses = []
        for _, images, _, soft_labels in loader:
            loss = cross_entropy(model(images.float() / 255), soft_labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        epochs.append(round(sum(losses) / len(losses), 4))
    return epochs


def main(folder: Path) -> None:
    """Train, and tell what was read: samples, and a checksum over keys, labels and pixels in any order."""
    split = json.loads((folder / "index.json").read_bytes())["split"]
    tars = sorted(str(path) for path in folder.glob(f"{split}-*.tar"))
    data = webdataset.WebDataset(tars, shardshuffle=False).map(decode)
    samples = list(data)
    sums = [
        crc32(image.permute(1, 2, 0).numpy().tobytes(), crc32(f"{key} {label}".encode()))
        for key, image, label, _ in samples
    ]
    loader = DataLoader(data.batched(50), batch_size=None, num_workers=2)
    report = {
        "consumer": f"webdataset {webdataset.__version__}",
        "samples": {split: len({key for key, *_ in samples})},
        "batch": list(next(iter(loader))[1].shape),
        "loss": train(loader),
        "checksum": sum(sums),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
