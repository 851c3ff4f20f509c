"""Do our attacks agree with other people's, and what do they cost beside the model's own passes?

    python -m bench.attacks                                       # both tables, about fifteen minutes on one core
    python -m bench.attacks --only pgd square --samples 200

On the bundled digits, a classifier trained plainly and one trained adversarially, attacked on samples that trained
neither. Each attack runs with every row kept to the end, as the other libraries do (`full`), and with rows that leave
as soon as they are done (`leaving`). The floor of a run is its forward and backward passes alone, at the batch sizes
they had, replayed after it. Other libraries run where they are installed: pyautoattack and foolbox come with
`hardshard[referee]`; torchattacks 3.5.1 and adversarial-robustness-toolbox 1.20.1 install by
`pip install --no-deps torchattacks==3.5.1 adversarial-robustness-toolbox==1.20.1 tqdm requests six packaging`.
Times are CPU seconds of one thread, the least of several turns taken in alternation with the floor's and the others'.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits
from torch import Tensor

import generators.attacks
from bench import others
from data.plugins import plugin
from generators.attacks import Attack
from generators.balls import lengths
from generators.options import Ball
from pipelines.training.fitting.fit import fit
from pipelines.training.fitting.options import FitOptions
from pipelines.training.models.classifier import Classifier, ClassifierShape

RADII = {"plain": {"linf": 0.06, "l2": 0.3}, "hardened": {"linf": 0.12, "l2": 0.6}}
FIXED = {"fgsm": 1, "pgd": 40, "apgd_ce": 100, "apgd_dlr": 100, "square": 1000}
"""Attacks measured by robust accuracy, and their steps."""
NEAREST = {"deepfool": 50, "fab": 100, "cw": 200}
"""Attacks measured by the length of what they find, and their steps."""
STARTS = {"pgd": 5}
"""Random starts that a figure is the mean of; of 100 samples foolbox's PGD breaks 34 to 40, by its start."""


@dataclass
class Passes:
    """Counts a model's calls: rows of each forward pass, and how many backward passes followed it."""

    model: Classifier
    calls: list[list[int]] = field(default_factory=list)

    def __call__(self, x: Tensor) -> Tensor:
        call = [len(x), 0]
        self.calls.append(call)
        if x.requires_grad or not x.is_leaf:
            x = _Counted.apply(x, call)
        return self.model(x)


class _Counted(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, call: list[int]) -> Tensor:
        ctx.call = call
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        ctx.call[1] += 1
        return gradients[0], None


def digits(samples: int) -> tuple[dict[str, Classifier], Tensor, Tensor]:
    """Two classifiers trained on 1,000 digits, and test digits that neither saw."""
    bunch = load_digits()
    order = torch.randperm(len(bunch.target), generator=torch.Generator().manual_seed(0))
    x = (torch.tensor(bunch.images, dtype=torch.float32)[:, None] / 16)[order]
    y = torch.tensor(bunch.target)[order]
    soft = F.one_hot(y[:1000], 10).float()

    def batches(step: int) -> tuple[Tensor, Tensor]:
        rows = torch.randint(1000, (64,), generator=torch.Generator().manual_seed(step))
        return x[rows], soft[rows]

    balls = {"plain": Ball(steps=0), "hardened": Ball(steps=7)}
    models = {
        name: fit(
            batches, ClassifierShape(1, 8, 8, 10), FitOptions(steps=600, ball=ball), 0, name
        ).model.requires_grad_(False)
        for name, ball in balls.items()
    }
    return models, x[1000 : 1000 + samples], y[1000 : 1000 + samples]


def in_turn(turns: int, work: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """The least CPU seconds of each piece of work, all in alternation, so that a busy machine is unfair to none.

    So many turns, or as many as begin within thirty seconds.
    """
    least, began = dict.fromkeys(work, float("inf")), time.process_time()
    for turn in range(turns):
        if turn and time.process_time() - began > 30:
            break
        for name, one in work.items():
            start = time.process_time()
            one()
            least[name] = min(least[name], time.process_time() - start)
    return least


def measure(model: Classifier, name: str, ball: Ball, x: Tensor, y: Tensor, turns: int) -> dict[str, dict[str, float]]:
    """Ours in both ways and every other library that has the attack: figure and, with turns, CPU seconds and floor.

    A figure is the mean over `STARTS` of the attack, for one random start is a matter of luck.
    """
    attack, runs, work = plugin(generators.attacks, name), {}, {}
    for way, stop_early in (("full", False), ("leaving", True)):
        todo, passes = replace(ball, stop_early=stop_early), Passes(model)
        runs[way] = partial(_ours, attack, model, x, y, todo)
        if turns:
            _ours(attack, passes, x, y, todo, 0)
            work[way], work[f"{way} floor"] = partial(runs[way], 0), partial(replay, model, passes.calls, x)
    for library, run in others.having(name, model, ball).items():
        runs[library] = partial(_theirs, run, x, y)
        work[library] = partial(runs[library], 0)
    starts = range(STARTS.get(name, 1))
    rows = {
        by: {"figure": mean(figure(model, name, ball, run(seed), x, y) for seed in starts)} for by, run in runs.items()
    }
    return _timed(rows, in_turn(turns, work)) if turns else rows


def _timed(rows: dict[str, dict[str, float]], seconds: Mapping[str, float]) -> dict[str, dict[str, float]]:
    for by, row in rows.items():
        row["seconds"] = seconds[by]
    for way in ("full", "leaving"):
        rows[way]["over_floor"] = seconds[way] / seconds[f"{way} floor"]
    return rows


def _theirs(run: others.Other, x: Tensor, y: Tensor, seed: int) -> Tensor:
    torch.manual_seed(seed)  # they start where the global random numbers say
    return run(x, y)


def _ours(attack: Attack, model: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, ball: Ball, seed: int) -> Tensor:
    return attack(model, x, y, ball, torch.Generator().manual_seed(seed))


def replay(model: Classifier, calls: list[list[int]], like: Tensor) -> None:
    """The same passes and nothing else."""
    for rows, backward in calls:
        x = like[:rows].detach()
        if not backward:
            with torch.no_grad():
                model(x)
            continue
        total = model(x.requires_grad_(True)).sum()
        for turn in range(backward):
            torch.autograd.grad(total, x, retain_graph=turn < backward - 1)


@torch.no_grad()
def figure(model: Classifier, name: str, ball: Ball, x_adv: Tensor, x: Tensor, y: Tensor) -> float:
    """Robust accuracy in percent; of attacks that look for the nearest error the median length, inf where none came."""
    right = model(x_adv).argmax(1) == y
    if name in FIXED:
        return 100 * right.float().mean().item()
    length = lengths(x_adv - x, ball.norm)
    return torch.where(right, float("inf"), length).median().item()


def shown(name: str, row: Mapping[str, Mapping[str, float]]) -> Iterator[tuple[str, list[str]]]:
    """The table's cells of each library: figure, seconds, over the floor, times ours; empty where not measured."""
    for library, one in row.items():
        cells = [f"{one['figure']:.1f}" if name in FIXED else f"{one['figure']:.4f}"]
        cells.append(f"{one['seconds']:.2f}" if "seconds" in one else "")
        cells.append(f"{one['over_floor']:.2f}" if "over_floor" in one else "")
        cells.append(f"{one['seconds'] / row['full']['seconds']:.2f}" if "seconds" in one else "")
        yield library, cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[*FIXED, *NEAREST])
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--turns", type=int, default=9, help="at most, of which the fastest counts; 0 for no times")
    parser.add_argument("--out", type=Path, default=Path("bench/out/attacks.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    models, x, y = digits(options.samples)
    found, table = [], Table("model", "norm", "attack", "library", "figure", "CPU s", "over floor", "times ours, full")
    for model_name, model in models.items():
        for norm, epsilon in RADII[model_name].items():
            for name in options.only:
                if (name, norm) == ("cw", "linf"):
                    continue
                radius = epsilon if name in FIXED else float("inf")
                steps = {**FIXED, **NEAREST}[name]
                ball = Ball(epsilon=radius, norm=norm, steps=steps, step_size=epsilon / 10)
                row = measure(model, name, ball, x, y, options.turns)
                found.append({"model": model_name, "norm": norm, "attack": name, "by": row})
                for library, cells in shown(name, row):
                    table.add_row(model_name, norm, name, library, *cells)
                    print(model_name, norm, name, library, *cells, flush=True)
                options.out.parent.mkdir(parents=True, exist_ok=True)
                options.out.write_text(json.dumps(found, indent=1))
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
