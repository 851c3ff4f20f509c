"""Train a network of timm on a shard set for four epochs: `python train_with_timm.py FOLDER [MODEL]`.

timm's reader gives pictures and labels, so that this is training on the intended labels, not on the soft ones. timm's
own script reads the set likewise: `train.py --dataset wds/set --data-dir FOLDER --train-split train --num-classes K`.
"""

import json
import sys
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image
from timm.data import create_dataset
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

EPOCHS, BATCH = 4, 50


def to_tensor(picture: Image.Image) -> Tensor:
    """Float (3, H, W) in [-1, 1]; with torchvision installed, `timm.data.create_transform` is the usual way."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 127.5 - 1


def train(model: torch.nn.Module, loader: DataLoader) -> list[float]:
    """The mean loss of each epoch."""
    optimizer, epochs = torch.optim.AdamW(model.parameters(), lr=0.002), []
    model.train()
    for _ in range(EPOCHS):
        losses = []
        for images, labels in loader:
            loss = cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        epochs.append(round(sum(losses) / len(losses), 4))
    return epochs


def main(folder: Path, name: str = "test_resnet.r160_in1k") -> None:
    """Train, and tell what was read."""
    torch.manual_seed(0)
    (split,) = json.loads((folder / "_info.json").read_bytes())["splits"]
    classes = len(json.loads((folder / "index.json").read_bytes())["class_names"])
    data = create_dataset("wds/set", root=str(folder), split=split, is_training=True, batch_size=BATCH, seed=0)
    data.transform = to_tensor
    loader = DataLoader(data, batch_size=BATCH)
    model = timm.create_model(name, num_classes=classes)
    report = {
        "consumer": f"timm {timm.__version__}",
        "model": name,
        "batch": list(next(iter(loader))[0].shape),
        "loss": train(model, loader),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
