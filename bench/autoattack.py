"""Does our AutoAttack agree with its authors', and at what cost?

    python -m bench.autoattack                          # three models, about fifteen minutes on one core
    python -m bench.autoattack --models digits-hardened --samples 150

A plainly and an adversarially trained classifier of the bundled digits, and an adversarially trained one of
Fashion-MNIST (Debian's package dataset-fashion-mnist), on samples that trained none of them. Each sample that one of
the two suites breaks and the other does not is counted. Times are CPU seconds of one thread, one run each.
"""

import argparse
import json
import time
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits
from torch import Tensor

from data.sources import SourceOptions, source_of
from generators.options import Ball
from pipelines.training.evaluation import suite
from pipelines.training.evaluation.referee import reference_autoattack
from pipelines.training.fitting.fit import fit
from pipelines.training.fitting.options import FitOptions
from pipelines.training.models.classifier import Classifier, ClassifierShape

MODELS = {
    "digits-plain": ("digits", FitOptions(steps=600, ball=Ball(steps=0)), 0.06),
    "digits-hardened": ("digits", FitOptions(steps=600, ball=Ball(epsilon=0.12)), 0.12),
    "fashion-hardened": ("fashion", FitOptions(steps=400, ball=Ball(epsilon=0.1, steps=5, step_size=0.03)), 0.1),
}
"""Name -> data, training, L-inf radius of the attack."""
FASHION = "/usr/share/datasets/fashion-mnist"


def samples_of(data: str) -> tuple[Tensor, Tensor]:
    """Images, float (N, 1, H, W) in [0, 1], and labels, shuffled."""
    if data == "digits":
        bunch = load_digits()
        x, y = torch.tensor(bunch.images, dtype=torch.float32)[:, None] / 16, torch.tensor(bunch.target)
    else:
        found = list(islice(source_of(SourceOptions(name="idx", path=FASHION)).samples, 4000))
        x = torch.from_numpy(np.stack([one.content for one in found])).float()[:, None] / 255
        y = torch.tensor([one.label for one in found])
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
    return x[order], y[order]


def trained(data: str, options: FitOptions) -> tuple[Classifier, Tensor, Tensor]:
    """A classifier of the first samples, and the samples it has not seen."""
    x, y = samples_of(data)
    seen = {"digits": 1000, "fashion": 2000}[data]
    soft = F.one_hot(y, 10).float()

    def batch(step: int) -> tuple[Tensor, Tensor]:
        rows = torch.randint(seen, (64,), generator=torch.Generator().manual_seed(step))
        return x[rows], soft[rows]

    shape = ClassifierShape(1, x.shape[2], x.shape[3], 10)
    return fit(batch, shape, options, 0, data).model, x[seen:], y[seen:]


def compare(name: str, samples: int) -> dict[str, object]:
    """Both suites on one model: robust accuracies in percent, CPU seconds, and where they differ."""
    data, options, epsilon = MODELS[name]
    model, x, y = trained(data, options)
    x, y, ball = x[:samples], y[:samples], Ball(epsilon=epsilon)
    began = time.process_time()
    ours = suite.finish(suite.begin(model, x, y), suite.autoattack(ball, 10), model, x, y).broken_by == -1
    spent = time.process_time() - began
    began = time.process_time()
    x_adv = reference_autoattack(model, x, y, ball, name)
    reference = (model(x).argmax(1) == y) & ~suite.breaks(model, x_adv, x, y, ball)
    spent_there = time.process_time() - began
    with torch.no_grad():
        clean = (model(x).argmax(1) == y).float().mean().item()
    return {
        "model": name,
        "samples": len(x),
        "epsilon": epsilon,
        "clean": 100 * clean,
        "ours": 100 * ours.float().mean().item(),
        "reference": 100 * reference.float().mean().item(),
        "both": 100 * (ours & reference).float().mean().item(),
        "broken by ours alone": int((reference & ~ours).sum()),
        "broken by the reference alone": int((ours & ~reference).sum()),
        "CPU s, ours": spent,
        "CPU s, reference": spent_there,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--out", type=Path, default=Path("bench/out/autoattack.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = []
    for one in map(partial(compare, samples=options.samples), options.models):
        found.append(one)
        print(json.dumps(one), flush=True)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(found, indent=1))
    table = Table(*found[0])
    for one in found:
        table.add_row(*(f"{value:.1f}" if isinstance(value, float) else str(value) for value in one.values()))
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
