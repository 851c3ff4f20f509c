"""Train a PyTorch network on real and hard samples at once with Hugging Face datasets.

`python train_with_datasets.py FOLDER PHOTOS`: FOLDER is a shard set, PHOTOS a folder of real pictures, one folder a
class, named as the set's classes and of the same size. Seven samples of ten come from the shards and carry the judges'
soft labels, three are real ones.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import datasets
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot
from torch.utils.data import DataLoader

EPOCHS, BATCH, SHARE = 4, 50, 0.7


def hard(sample: Mapping[str, object]) -> dict[str, object]:
    """Picture and soft label of one sample of a shard."""
    return {"image": sample["png"], "target": np.asarray(sample["probs.npy"], np.float32), "hard": True}


def tensors(batch: Mapping[str, list]) -> dict[str, Tensor]:
    """Images float (N, C, H, W) in [0, 1], targets float (N, K), and which of them are hard, bool (N,)."""
    pixels = [np.array(picture) for picture in batch["image"]]
    images = torch.from_numpy(np.stack([one.reshape(*one.shape[:2], -1) for one in pixels]))
    targets = torch.tensor(np.array(batch["target"]), dtype=torch.float32)
    return {"images": images.permute(0, 3, 1, 2) / 255, "targets": targets, "hard": torch.tensor(batch["hard"])}


def mixed(folder: str, photos: str) -> datasets.Dataset:
    """Both, at their shares, until every sample has come at least once."""
    (shards,) = datasets.load_dataset(folder).values()
    names = json.loads((Path(folder) / "index.json").read_bytes())["class_names"]
    real = datasets.load_dataset("imagefolder", data_dir=photos, split="train")
    held = real.features["label"].names

    def given(sample: Mapping[str, object]) -> dict[str, object]:
        label = torch.tensor(names.index(held[sample["label"]]))
        return {"target": one_hot(label, len(names)).float().numpy(), "hard": False}

    wanted = datasets.Features(
        image=datasets.Image(), target=datasets.List(datasets.Value("float32")), hard=datasets.Value("bool")
    )
    both = [
        shards.map(hard, remove_columns=shards.column_names, features=wanted),
        real.map(given, remove_columns=["label"], features=wanted),
    ]
    chances = [SHARE, 1 - SHARE]
    return datasets.interleave_datasets(both, probabilities=chances, seed=0, stopping_strategy="all_exhausted")


def train(loader: DataLoader) -> list[float]:
    """The mean loss of each epoch of a small convolutional network."""
    torch.manual_seed(0)
    first = next(iter(loader))
    channels, classes = first["images"].shape[1], first["targets"].shape[1]
    model = torch.nn.Sequential(
        torch.nn.Conv2d(channels, 8, 3, stride=2, padding=1),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.LazyLinear(classes),
    )
    model(first["images"])
    optimizer, epochs = torch.optim.Adam(model.parameters(), lr=0.002), []
    for _ in range(EPOCHS):
        losses = []
        for batch in loader:
            loss = cross_entropy(model(batch["images"]), batch["targets"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        epochs.append(round(sum(losses) / len(losses), 4))
    return epochs


def main(folder: str, photos: str) -> None:
    """Train, and tell what was read."""
    data = mixed(folder, photos)
    loader = DataLoader(data.with_transform(tensors), batch_size=BATCH, shuffle=True, collate_fn=joined)
    share = float(np.mean(data["hard"]))
    report = {"consumer": f"datasets {datasets.__version__}", "share_hard": round(share, 3), "loss": train(loader)}
    print(json.dumps(report))


def joined(rows: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """A batch of samples that `tensors` made."""
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


if __name__ == "__main__":
    main(*sys.argv[1:3])
