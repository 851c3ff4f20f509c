"""Train a classifier and export it for `hardshard build digits --model digits.pt2`; nothing here is hardshard's.

    python examples/export_model.py digits.pt2

Put your own network and data in place of `network` and `load_digits`: what matters are the last two functions.
"""

import json
import sys
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

MEAN, STD = 0.31, 0.38


def network() -> nn.Module:
    """Images, float (N, 1, 8, 8), mean 0 and deviation 1 -> logits, float (N, 10), no softmax."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU()),
        *(nn.Flatten(), nn.Dropout(0.2), nn.Linear(512, 10)),
    )


def train(model: nn.Module, x: Tensor, y: Tensor, steps: int = 300) -> None:
    """Plain training on images, float (N, 1, 8, 8), and labels, int64 (N,)."""
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    for _ in range(steps):
        rows = torch.randint(len(x), (128,))
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def export(model: nn.Module, example: Tensor, path: Path) -> None:
    """Write the program: eval mode first, then any number of images at once."""
    batch = torch.export.Dim("batch")
    program = torch.export.export(model.eval(), (example,), dynamic_shapes=({0: batch},))
    torch.export.save(program, path)


def describe(path: Path) -> None:
    """Write beside it what the program itself cannot say; all of it may be left out where the source says it."""
    sidecar = {"mean": [MEAN], "std": [STD], "size": 8, "channels": 1, "class_names": list("0123456789")}
    path.with_suffix(".json").write_text(json.dumps(sidecar))


if __name__ == "__main__":
    torch.manual_seed(0)
    digits, program = load_digits(), Path(sys.argv[1])
    images = torch.tensor(digits.images / 16, dtype=torch.float32)[:, None]  # in [0, 1]
    seen = slice(0, 900)
    model = network()
    train(model, (images[seen] - MEAN) / STD, torch.tensor(digits.target[seen]))
    export(model, (images[:2] - MEAN) / STD, program)
    describe(program)
    print(f"{program} and {program.with_suffix('.json')}")
