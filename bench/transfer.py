"""Do shards aimed at one architecture harden another, in a trainer that knows only their URL?

The trainer below reads a shard set with webdataset, has its own networks (a perceptron and a convolutional one that
share nothing with the attacked model's), its own PGD and its own loop, and imports nothing of ours but the attacked
architecture itself, whose gain is the yardstick; real samples are given to it as arrays. The shards are those of a
finished run, aimed at that run's classifier. Ours only measures.

    python -m bench.transfer --run runs/digits --seeds 5 --part validation
"""

import argparse
import io
import json
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import torch
import torch.nn.functional as F
import webdataset
from PIL import Image
from torch import Tensor, nn

from pipelines.training.models.classifier import Classifier, ClassifierShape

STEPS, BATCH, SHARE, RADIUS = 1000, 64, 0.7, 0.18
ATTACKED = "the attacked architecture"
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    ATTACKED: lambda: Classifier(ClassifierShape(channels=1, height=8, width=8, classes=10)),
    "perceptron": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)
    ),
    "5x5 convolutions": lambda: nn.Sequential(
        nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(),
        nn.Flatten(), nn.Linear(1024, 10),
    ),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("runs/digits"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--part", choices=("validation", "test"), default="validation")
    parser.add_argument("--out", type=Path, default=Path("bench/out/transfer.json"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    x, y = real_of(asked.run)
    shards = read(asked.run / "shards")
    found: dict[str, dict[str, list[float]]] = {}
    for name in NETWORKS:
        for arm, synthetic in (("real", None), ("real + shards", shards)):
            figures = []
            for seed in range(asked.seeds):
                figures.append(robust(train(name, x, y, synthetic, seed), asked.run, asked.part))
                print(name, arm, seed, f"{figures[-1]:.1f}", flush=True)
            found.setdefault(name, {})[arm] = figures
            asked.out.parent.mkdir(parents=True, exist_ok=True)
            asked.out.write_text(json.dumps(found))
    gains = {name: mean(arms["real + shards"]) - mean(arms["real"]) for name, arms in found.items()}
    for name, arms in found.items():
        told = [f"{arm} {mean(f):.1f}" + (f" ± {stdev(f):.1f}" if len(f) > 1 else "") for arm, f in arms.items()]
        print(f"{name}: {', '.join(told)}, gain {gains[name]:+.1f}, {gains[name] / gains[ATTACKED]:.0%} of it")


def read(folder: Path) -> tuple[Tensor, Tensor]:
    """Every image, float (N, C, H, W) in [0, 1], and its soft label, float (N, K), as any reader finds them."""
    images, soft = [], []
    tars = sorted(str(path) for path in folder.glob("train-*.tar"))
    for sample in webdataset.WebDataset(tars, shardshuffle=False):
        pixels = np.array(Image.open(io.BytesIO(sample["png"])))
        images.append(torch.from_numpy(pixels.reshape(*pixels.shape[:2], -1)).permute(2, 0, 1).float() / 255)
        soft.append(torch.from_numpy(np.load(io.BytesIO(sample["probs.npy"]), allow_pickle=False)))
    return torch.stack(images), torch.stack(soft)


def train(name: str, x: Tensor, y: Tensor, shards: tuple[Tensor, Tensor] | None, seed: int) -> nn.Module:
    """Adversarial training as anyone would write it: PGD-7, AdamW, averaged weights."""
    torch.manual_seed(seed)
    model, hot = NETWORKS[name](), F.one_hot(y, 10).float()
    averaged = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995)
    )
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=STEPS, pct_start=0.1)
    for step in range(STEPS):
        rows = torch.randint(len(x), (BATCH if shards is None else round(BATCH * (1 - SHARE)),))
        images, soft = x[rows], hot[rows]
        if shards is not None:
            more = torch.randint(len(shards[0]), (BATCH - len(rows),))
            images, soft = torch.cat([images, shards[0][more]]), torch.cat([soft, shards[1][more]])
        attacked = pgd(model, images, soft, RADIUS * min(1, (step + 1) / (0.2 * STEPS)))
        optimiser.zero_grad()
        F.cross_entropy(model(attacked), soft).backward()
        optimiser.step()
        schedule.step()
        averaged.update_parameters(model)
    return averaged.module.eval().requires_grad_(False)


def pgd(model: nn.Module, x: Tensor, soft: Tensor, radius: float) -> Tensor:
    x_adv = (x + radius * (2 * torch.rand_like(x) - 1)).clamp(0, 1)
    for _ in range(7):
        x_adv.requires_grad_(True)
        (gradient,) = torch.autograd.grad(F.cross_entropy(model(x_adv), soft), x_adv)
        x_adv = (x_adv.detach() + radius / 4 * gradient.sign()).clamp(x - radius, x + radius).clamp(0, 1)
    return x_adv


def real_of(run: Path) -> tuple[Tensor, Tensor]:
    """The run's 300 labelled samples, as a user has them."""
    from pipelines.recipes import DEFAULT
    from pipelines.training.participants import samples

    batch = samples(run, "train", DEFAULT.source)
    return batch.inputs["image"], batch.labels


def robust(model: nn.Module, run: Path, part: str) -> float:
    from bench.efficiency import stands
    from pipelines.recipes import DEFAULT

    return 100 * mean(stands(model, DEFAULT, run, part))


if __name__ == "__main__":
    main()
