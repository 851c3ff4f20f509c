"""Are thin classes recognised more often when hard, judged samples fill their quota?

Two tasks: `digits`, one class cut to 10 samples, another one each seed; `fashion`, Fashion-MNIST at 14x14, long-tailed
with ratio 100 in an order of classes that each seed draws, its three rarest classes being the minority. A plain
classifier, without an attack in its training, is trained on every arm for the same number of steps; figures are of
samples that nothing has seen.

    python bench/imbalance.py digits --seeds 10 --out runs/bench-imbalance
    python bench/imbalance.py fashion --seeds 5 --part validation        to tune
"""

import argparse
import gzip
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor

from data.records import Batch
from generators import gan
from generators.checks import Evidence
from generators.checks.agreement import agreement
from generators.networks import GanShape
from generators.options import GanOptions, SearchOptions
from generators.search import Scene, Search
from generators.search.mixup import mixup
from generators.search.pixel_interpolate import pixel_interpolate
from generators.search.random_latent import random_latent
from generators.search.warps import warps
from pipelines.training.quotas import quotas_of

CLASSES = 10
BATCH = 64
STEPS = {"digits": 400, "fashion": 600}
AT_ONCE = 256
TRIES = 8
"""Candidates for each sample that is missing, at most."""
BAND, THRESHOLD = 1.0, 0.3
"""Margins looked for, in logits, and what the judges' mean probability must reach; set on validation parts."""


@dataclass(frozen=True)
class Task:
    """One split: samples, float (N, 1, H, W) and int64 (N,), of each part, and the minority's classes."""

    train: Batch
    validation: Batch
    test: Batch
    minority: tuple[int, ...]


@dataclass(frozen=True)
class Samples:
    """What an arm trains on: images, float (N, 1, H, W), soft labels, float (N, K), and the class each counts for."""

    x: Tensor
    soft: Tensor
    y: Tensor


# --- the tasks


def digits(seed: int, _: Path) -> Task:
    """Half of the digits to train on, but 10 of the class `seed` modulo 10; a quarter each to validate and test."""
    bundled = load_digits()
    x, y = torch.tensor(bundled.images / 16).float()[:, None], torch.tensor(bundled.target).long()
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(1000 + seed))
    counts = torch.bincount(y, minlength=CLASSES).tolist()
    ends = {label: (10 if label == seed % CLASSES else n // 2, n // 2, 3 * n // 4, n) for label, n in enumerate(counts)}
    return Task(*_divided(x, y, order, ends), (seed % CLASSES,))


def fashion(seed: int, folder: Path) -> Task:
    """1,000 samples of one class down to 10 of another, geometrically; 200 and 500 of each to validate and test."""
    x = _idx(folder / "train-images-idx3-ubyte.gz", 16).view(-1, 1, 28, 28)
    y = _idx(folder / "train-labels-idx1-ubyte.gz", 8).long()
    rng = torch.Generator().manual_seed(2000 + seed)
    rank, order = torch.randperm(CLASSES, generator=rng).tolist(), torch.randperm(len(y), generator=rng)
    ends = {label: (round(1000 * 100 ** (-rank[label] / 9)), 2000, 2200, 2700) for label in range(CLASSES)}
    parts = _divided(x, y, order, ends)
    small = [Batch(part.keys, {"image": F.avg_pool2d(part.inputs["image"] / 255, 2)}, part.labels) for part in parts]
    return Task(*small, tuple(label for label in range(CLASSES) if rank[label] >= 7))


def _idx(path: Path, header: int) -> Tensor:
    return torch.from_numpy(np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8).copy()[header:])


def _divided(x: Tensor, y: Tensor, order: Tensor, ends: Mapping[int, tuple[int, int, int, int]]) -> list[Batch]:
    """Train up to the first end of each class, validation from the second to the third, test from there to the last."""
    mine = {label: order[y[order] == label] for label in ends}
    spans = [(0, 0), (1, 2), (2, 3)]
    parts = []
    for first, last in spans:
        rows = [mine[c][(ends[c][first] if last else 0) : ends[c][last]] for c in ends]
        picked = torch.cat(rows)
        parts.append(Batch(tuple(map(str, picked.tolist())), {"image": x[picked].float()}, y[picked]))
    return parts


# --- many plain classifiers at once


class Many(torch.nn.Module):
    """As many perceptrons of two hidden layers as seeds, trained side by side: (M, N, D) in [0, 1] -> (M, N, K)."""

    def __init__(self, seeds: Sequence[int], inputs: int) -> None:
        super().__init__()
        sizes = (inputs, 128, 64, CLASSES)
        draws = [torch.Generator().manual_seed(seed) for seed in seeds]
        layers = [
            torch.stack([(2 * torch.rand(i, o, generator=rng) - 1) * math.sqrt(3 / i) for rng in draws])
            for i, o in pairwise(sizes)
        ]
        self.weights = torch.nn.ParameterList(layers)
        self.biases = torch.nn.ParameterList([torch.zeros(len(seeds), 1, layer.shape[2]) for layer in layers])

    def forward(self, x: Tensor) -> Tensor:
        x = 2 * x - 1
        for weight, bias in zip(self.weights, self.biases, strict=True):
            x = torch.baddbmm(bias, F.relu(x) if weight is not self.weights[0] else x, weight)
        return x

    def alone(self, number: int) -> Callable[[Tensor], Tensor]:
        """One of them: images, float (N, 1, H, W) -> logits, float (N, K)."""

        def model(x: Tensor) -> Tensor:
            x = 2 * x.flatten(1) - 1
            for weight, bias in zip(self.weights, self.biases, strict=True):
                x = (F.relu(x) if weight is not self.weights[0] else x) @ weight[number] + bias[number]
            return x

        return model


def train(streams: Sequence[tuple[Tensor, Tensor]], seeds: Sequence[int]) -> Many:
    """Train a classifier on each stream: flat images, float (S, D), and labels, float (S, K), in the order seen."""
    models = Many(seeds, streams[0][0].shape[1])
    steps = len(streams[0][0]) // BATCH
    averaged = [parameter.detach().clone() for parameter in models.parameters()]
    optimiser = torch.optim.AdamW(models.parameters(), 2e-3, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps + 1, pct_start=0.1)
    for step in range(steps):
        rows = slice(step * BATCH, (step + 1) * BATCH)
        x, soft = (torch.stack([stream[part][rows] for stream in streams]) for part in (0, 1))
        loss = -(soft * F.log_softmax(models(x), 2)).sum(2).mean(1).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        newest = [parameter.detach() for parameter in models.parameters()]
        torch._foreach_lerp_(averaged, newest, 1 - min(0.995, (1 + step) / (10 + step)))
    with torch.no_grad():
        for parameter, average in zip(models.parameters(), averaged, strict=True):
            parameter.copy_(average)
    return models.requires_grad_(False)


# --- what they see


def even_rows(y: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """Rows of labels int64 (N,), each class as often as any other: int64 (count,)."""
    labels, places = torch.randint(CLASSES, (count,), generator=rng), torch.rand(count, generator=rng)
    sizes = torch.bincount(y, minlength=CLASSES)
    return y.argsort(stable=True)[(sizes.cumsum(0) - sizes)[labels] + (places * sizes[labels]).long()]


def stream(arm: str, real: Samples, steps: int, seed: int, filling: Samples | None = None) -> tuple[Tensor, Tensor]:
    """All that a training sees: flat images, float (S, D), and labels, float (S, K)."""
    rng = torch.Generator().manual_seed(seed)
    count = steps * BATCH
    if arm in ("real only", "class-weighted loss"):
        rows = torch.randint(len(real.y), (count,), generator=rng)
        weights = len(real.y) / CLASSES / torch.bincount(real.y, minlength=CLASSES)
        weight = weights[real.y[rows]][:, None] if arm == "class-weighted loss" else 1
        return real.x[rows].flatten(1), real.soft[rows] * weight
    if filling is not None:
        real = joined(real, filling)
    rows = even_rows(real.y, count, rng)
    x, soft = real.x[rows], real.soft[rows]
    if arm == "mixup":
        others, weight = even_rows(real.y, count, rng), torch.rand(count, generator=rng)
        weight[torch.rand(count, generator=rng) < 0.5] = 1  # half of the samples as they are
        x = torch.lerp(real.x[others], x, weight[:, None, None, None])
        soft = torch.lerp(real.soft[others], soft, weight[:, None])
    return x.flatten(1), soft


def joined(*parts: Samples) -> Samples:
    """All samples of several parts."""
    return Samples(*(torch.cat([getattr(part, name) for part in parts]) for name in ("x", "soft", "y")))


# --- what fills the quotas


@dataclass(frozen=True)
class Cast:
    """Who takes part: the training samples, the model attacked, the judges and the generator."""

    scene: Scene
    judges: Sequence[Callable[[Tensor], Tensor]]


def filled(
    cast: Cast, search: Search, options: SearchOptions, rng: torch.Generator, threshold: float, *, soft: bool = False
) -> Samples:
    """Candidates of the thin classes, checked, until real and kept are even or `TRIES` times as many were tried."""
    real = cast.scene.real
    names = [str(label) for label in range(CLASSES)]
    quotas = quotas_of(real, names, "fill", {}, parts=1)
    assert quotas is not None
    missing = int((quotas.counted.max() - quotas.counted).sum())
    kept, left = [], TRIES * missing
    while left > 0 and (short := quotas.counted + quotas.kept < quotas.counted.max()).any():
        y = quotas.labels(min(AT_ONCE, left), min(missing, left), rng)
        y, left = y[short[y]], left - len(y)
        candidates = search(cast.scene, y, options, rng)
        x = candidates.batch.inputs["image"]
        with torch.no_grad():
            said = torch.stack([judge(x).softmax(1) for judge in cast.judges])
        ones = torch.ones(len(y))
        accepted = agreement(candidates, Evidence(said, ones, ones), threshold).accepted if threshold else ones.bool()
        quotas.note(y, accepted)
        labels = said.mean(0) if soft else F.one_hot(y, CLASSES).float()
        kept.append(Samples(x[accepted], labels[accepted], y[accepted]))
    return joined(*kept)


OURS = "ours: near the boundary, judged"
PLAIN = ("real only", "oversampling", "class-weighted loss", "mixup")


def fillings_of(cast: Cast, rng: torch.Generator) -> dict[str, Samples]:
    """Arm -> what fills the quotas of its thin classes; last ours, and before it what it is made of."""
    near = SearchOptions(band=BAND)
    generated = {}
    if cast.scene.generator is not no_generator:
        generated["random GAN samples"] = filled(cast, random_latent, near, rng, 0)
        generated["random GAN samples, judged"] = filled(cast, random_latent, near, rng, THRESHOLD)
    blind = Cast(replace(cast.scene, model=lambda x: torch.zeros(len(x), CLASSES)), cast.judges)
    return {
        **generated,
        "random warps": filled(blind, warps, near, rng, 0),
        "blends anywhere, judged": filled(cast, mixup, near, rng, THRESHOLD),
        "ours, unjudged": filled(cast, pixel_interpolate, near, rng, 0),
        "ours, soft labels": filled(cast, pixel_interpolate, near, rng, THRESHOLD, soft=True),
        OURS: filled(cast, pixel_interpolate, near, rng, THRESHOLD),
    }


def no_generator(z: Tensor, y: Tensor) -> Tensor:
    raise NotImplementedError("this comparison goes without a generator")


def generator_of(task: Task, seed: int, path: Path, steps: int) -> Callable[[Tensor, Tensor], Tensor]:
    """A class-conditional GAN of the training samples, which it sees evenly; kept at `path`."""
    if not steps:
        return no_generator
    x, y = task.train.inputs["image"], task.train.labels
    options = GanOptions(steps=steps)
    sizes = (options.latent, options.features, options.discriminator_features)
    shape = GanShape(1, x.shape[2], x.shape[3], CLASSES, *sizes)
    training = gan.begin(shape, options, seed)
    if path.is_file():
        training.averaged.load_state_dict(torch.load(path, weights_only=True))
        return training.averaged.eval()
    rows = even_rows(y, 10 * len(y), torch.Generator().manual_seed(seed))
    while training.step < options.steps:
        gan.advance(training, x[rows], y[rows], options)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(training.averaged.state_dict(), path)
    return training.averaged.eval()


def cast_of(task: Task, real: Samples, steps: int, seed: int, generator: Callable[[Tensor, Tensor], Tensor]) -> Cast:
    """The model: trained on oversampling. The judges: each on mixup of two thirds of the samples."""
    folds = [torch.arange(len(real.y)) % 3 != fold for fold in range(3)]
    seen = [Samples(real.x[rows], real.soft[rows], real.y[rows]) for rows in folds]
    streams = [stream("oversampling", real, steps, seed)]
    streams += [stream("mixup", part, steps, 100 * seed + fold) for fold, part in enumerate(seen)]
    models = train(streams, [seed, *(100 * seed + fold for fold in range(3))])
    scene = Scene(models.alone(0), generator, GanOptions().latent, task.train)
    return Cast(scene, [models.alone(number) for number in (1, 2, 3)])


# --- the comparison


def measured(name: str, seed: int, asked: argparse.Namespace) -> dict[str, tuple[float, float]]:
    """Arm -> recall of the minority's classes and of all, in percent."""
    task, steps = TASKS[name](seed, asked.fashion), STEPS[name]
    real = Samples(task.train.inputs["image"], F.one_hot(task.train.labels, CLASSES).float(), task.train.labels)
    order = torch.randperm(len(real.y), generator=torch.Generator().manual_seed(seed))
    real = Samples(real.x[order], real.soft[order], real.y[order])
    path = asked.out / f"gan-{name}-{seed}-{asked.gan_steps}.pt"
    cast = cast_of(task, real, steps, seed, generator_of(task, seed, path, asked.gan_steps))
    fillings = fillings_of(cast, torch.Generator().manual_seed(seed))
    streams = {arm: stream(arm, real, steps, seed) for arm in PLAIN}
    streams |= {arm: stream(arm, real, steps, seed, filling) for arm, filling in fillings.items()}
    models = train(list(streams.values()), [seed] * len(streams))
    part = getattr(task, asked.part)
    return {arm: recalls(models.alone(number), part, task.minority) for number, arm in enumerate(streams)}


def recalls(model: Callable[[Tensor], Tensor], part: Batch, minority: Sequence[int]) -> tuple[float, float]:
    right = model(part.inputs["image"]).argmax(1) == part.labels
    each = [100 * right[part.labels == label].float().mean().item() for label in range(CLASSES)]
    return mean(each[label] for label in minority), mean(each)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=list(TASKS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--part", choices=["validation", "test"], default="test")
    parser.add_argument("--gan-steps", type=int, default=600, help="0 leaves the arms of the GAN out")
    parser.add_argument("--fashion", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--out", type=Path, default=Path("runs/bench-imbalance"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, list[tuple[float, float]]] = {}
    for seed in range(asked.seeds):
        for arm, figures in measured(asked.task, seed, asked).items():
            found.setdefault(arm, []).append(figures)
        print(f"seed {seed}: {found[OURS][-1][0]:.1f} % of the minority by ours", flush=True)
    show(found)
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / f"{asked.task}-{asked.part}.json").write_text(json.dumps(found, indent=1))


def show(found: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    print(f"{'arm':38}{'minority recall, %':>20}{'mean recall, %':>18}{'ours minus this':>18}  by seed")
    for arm, figures in found.items():
        thin, every = ([one[part] for one in figures] for part in (0, 1))
        gaps = [ours[0] - one for ours, one in zip(found[OURS], thin, strict=True)]
        print(f"{arm:38}{spread(thin):>20}{spread(every):>18}{spread(gaps):>18}  {' '.join(f'{v:.0f}' for v in thin)}")


def spread(values: Sequence[float]) -> str:
    return f"{mean(values):.1f} ± {stdev(values):.1f}" if len(values) > 1 else f"{values[0]:.1f}"


TASKS = {"digits": digits, "fashion": fashion}

if __name__ == "__main__":
    main()
