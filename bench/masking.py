"""How often does each masking check fire: on models that mask their gradient, and on honest ones?

    python bench/masking.py --seeds 5

Digits, every seed with its own split and first weights; masked models are an MLP behind a mask. Prints how many of
the trials each check fired in, and what a surrogate without training is worth beside a trained one.
"""

import argparse
import json
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from statistics import mean

import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "fixtures"))
import masked

from generators.attacks.pgd import pgd
from generators.margins import Model
from generators.masking import check_masking
from generators.neighbours import soft_neighbours
from generators.options import Ball

BALLS = (Ball(0.05), Ball(0.1), Ball(0.2), Ball(0.5, "l2"))
CASES = (*((ball, count) for ball in BALLS for count in (100, 300)), (Ball(0.1), 600))
"""Where, and on how many samples, each model is checked."""
TRANSFERRED = 300
"""Samples that show what a surrogate is worth."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("bench/out/masking.json"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    trials, transfers = [], []
    for seed in range(asked.seeds):
        honest = {name: make(seed) for name, make in masked.HONEST.items()}
        behind = {name: mask(honest["MLP"]) for name, mask in masked.MASKED.items()}
        trials += [trial for kind in (honest, behind) for name in kind for trial in trials_of(name, kind[name], seed)]
        transfers += transfers_of(honest, seed)
        print(f"seed {seed} done", file=sys.stderr, flush=True)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps({"trials": trials, "transfers": transfers}, indent=1))
    show_checks(trials)
    show_transfers(transfers)


def trials_of(name: str, model: Model, seed: int) -> list[dict]:
    """One record a case: which checks fired, and the seconds it took."""
    stored, labels, x, y = masked.digits(seed)
    surrogate, found = soft_neighbours(stored, labels, 10), []
    for ball, count in CASES:
        began = time.perf_counter()
        masking = check_masking(model, x[:count], y[:count], ball, surrogate, drawn(seed))
        fired = {check.name: check.figures for check in masking.checks if not check.passed}
        names = [check.name for check in masking.checks]
        about = {"model": name, "seed": seed, "norm": ball.norm, "epsilon": ball.epsilon, "samples": count}
        found.append({**about, "fired": fired, "checks": names, "seconds": time.perf_counter() - began})
    return found


def transfers_of(models: dict[str, Model], seed: int) -> list[dict]:
    """Robust accuracy against PGD on the model itself, on a CNN trained apart and on soft neighbours, in percent."""
    stored, labels, x, y = masked.digits(seed)
    x, y, neighbours = x[:TRANSFERRED], y[:TRANSFERRED], soft_neighbours(stored, labels, 10)
    surrogates = {"another CNN": masked.trained(masked.cnn, seed + 1000), "neighbours": neighbours}
    rows = []
    for ball in BALLS:
        reach = replace(ball, steps=40, step_size=ball.epsilon / 16)
        moved = {told: pgd(one, x, y, reach, drawn(seed)) for told, one in surrogates.items()}
        for name, model in models.items():
            about = {"model": name, "norm": ball.norm, "epsilon": ball.epsilon, "clean": accuracy(model, x, y)}
            itself = accuracy(model, pgd(model, x, y, reach, drawn(seed)), y)
            others = {told: accuracy(model, x_adv, y) for told, x_adv in moved.items()}
            rows.append({**about, "itself": itself, **others, "neighbours, clean": accuracy(neighbours, x, y)})
    return rows


def drawn(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def accuracy(model: Model, x: torch.Tensor, y: torch.Tensor) -> float:
    with torch.no_grad():
        return 100 * float((model(x).argmax(1) == y).double().mean())


def show_checks(trials: list[dict]) -> None:
    checks = max((trial["checks"] for trial in trials), key=len)
    for number, check in enumerate(checks, 1):
        print(f"{number} = {check}")
    print(f"{'model':32}{'trials':>7}{'flagged':>9}" + "".join(f"{n:>5}" for n in range(1, len(checks) + 1)) + "    s")
    for model in dict.fromkeys(trial["model"] for trial in trials):
        of_model = [trial for trial in trials if trial["model"] == model]
        fired = Counter(check for trial in of_model for check in trial["fired"])
        flagged = sum(bool(trial["fired"]) for trial in of_model)
        seconds = mean(trial["seconds"] for trial in of_model)
        print(f"{model:32}{len(of_model):7}{flagged:9}" + "".join(f"{fired[c]:5}" for c in checks) + f"{seconds:5.1f}")


def show_transfers(rows: list[dict]) -> None:
    columns = ("clean", "itself", "another CNN", "neighbours")
    print(f"\n{'robust accuracy, PGD on':32}{'norm':>6}{'eps':>6}" + "".join(f"{c:>13}" for c in columns))
    for model, norm, epsilon in sorted({(row["model"], row["norm"], row["epsilon"]) for row in rows}):
        same = [row for row in rows if (row["model"], row["norm"], row["epsilon"]) == (model, norm, epsilon)]
        cells = "".join(f"{mean(row[c] for row in same):13.1f}" for c in columns)
        print(f"{model:32}{norm:>6}{epsilon:6}" + cells)
    print(f"\nclean accuracy of the neighbours: {mean(row['neighbours, clean'] for row in rows):.1f}")


if __name__ == "__main__":
    main()
