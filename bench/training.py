"""What each objective of training gains and costs: clean accuracy, AutoAttack accuracy, multiples of plain training.

Every repetition has its own split of the data and its own first weights. Rows are appended to a log as they come, and
those that stand in it are not done again, so a bench that was stopped goes on. `--costs` times the rows in turn, 50
steps of each, five times over: on a busy machine its ratios are the ones to believe. Settings are chosen on the
validation part, by 20 steps of APGD-DLR (the column `validation`); the test part is for the table.

    python bench/training.py digits --seeds 3
    python bench/training.py fashion --path FOLDER --seeds 2 --rows "plain; madry PGD-10; N-FGSM"

FOLDER holds Fashion-MNIST as IDX files (Debian: dataset-fashion-mnist). Cost is the process's own CPU time.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import torch

from data.intake import take_in
from data.loader import MixedBatches, Pool
from data.records import Batch
from data.sources import SourceOptions, source_of
from data.taken import open_taken
from generators.options import Ball
from pipelines.training.evaluation.suite import autoattack, begin, finish
from pipelines.training.fitting.fit import Beside, Fitted, fit
from pipelines.training.fitting.options import FitOptions
from pipelines.training.fitting.watch import WatchOptions, look
from pipelines.training.models.classifier import Classifier, ClassifierShape

COLUMNS = ("seed", "validation", "clean", "robust", "seconds")
PLAIN, STANDARD = "plain", "madry PGD-10"


@dataclass(frozen=True)
class Setting:
    """A data set, the ball around its samples, and how long and wide the trainings are."""

    source: SourceOptions
    epsilon: float
    steps: int
    features: int
    samples: int


SETTINGS = {
    "digits": Setting(SourceOptions(labelled=300), 0.12, 1000, 16, 400),
    "fashion": Setting(SourceOptions(name="idx", labelled=2000, validation_share=0.1), 0.1, 300, 8, 200),
}


def rows_of(setting: Setting) -> dict[str, FitOptions]:
    """Row of the table -> how it is trained."""

    def ball(steps: int, wider: float = 1) -> Ball:
        # PGD-10 takes steps of epsilon / 4; fewer steps are longer, so that the ball's wall is in reach of any start.
        epsilon = wider * setting.epsilon
        return Ball(epsilon=epsilon, steps=steps, step_size=epsilon * max(0.25, 1.5 / steps))

    def short(steps: int, wider: float) -> Ball:
        return Ball(epsilon=wider * setting.epsilon, steps=steps, step_size=setting.epsilon / steps)

    ten = FitOptions(steps=setting.steps, features=setting.features, ball=ball(10))
    return {
        PLAIN: replace(ten, objective="plain"),
        STANDARD: ten,
        "madry PGD-10, ball 1.5x": replace(ten, ball=ball(10, 1.5)),
        "madry PGD-10, ball 2x": replace(ten, ball=ball(10, 2)),
        "madry PGD-2": replace(ten, ball=ball(2)),
        "madry PGD-3": replace(ten, ball=ball(3)),
        "madry PGD-3, ball 1.5x": replace(ten, ball=ball(3, 1.5)),
        "madry PGD-3, ball 2x": replace(ten, ball=ball(3, 2)),
        "FGSM, random start": replace(ten, objective="fgsm_rs"),
        "N-FGSM": replace(ten, objective="n_fgsm"),
        "free, 4 replays, 2.5x steps": replace(ten, objective="free", steps=5 * setting.steps // 2),
        "free, 4 replays, 2x steps, ball 2x": replace(ten, objective="free", steps=2 * setting.steps, ball=ball(10, 2)),
        "free, 4 replays, 2.5x steps, ball 2x": replace(
            ten, objective="free", steps=5 * setting.steps // 2, ball=ball(10, 2)
        ),
        "warm PGD-1, ball 2x": replace(ten, objective="warm", ball=short(1, 2)),
        "warm PGD-2, ball 2x": replace(ten, objective="warm", ball=short(2, 2)),
        "warm PGD-2, ball 1.5x": replace(ten, objective="warm", ball=short(2, 1.5)),
        "warm PGD-1, ball 2x, 1.5x steps": replace(
            ten, objective="warm", steps=3 * setting.steps // 2, ball=short(1, 2)
        ),
        "mixed": replace(ten, objective="mixed"),
        "TRADES, beta 1": replace(ten, objective="trades", weight=1.0),
        "TRADES, beta 6": replace(ten, objective="trades", weight=6.0),
        "MART": replace(ten, objective="mart"),
        "madry PGD-10, not averaged": replace(ten, averaging=0.0),
        "madry PGD-10, ball 2x, best of looks": replace(ten, ball=ball(10, 2), watch=WatchOptions(every=50)),
        "madry PGD-10, best of looks": replace(ten, watch=WatchOptions(every=50)),
        "madry PGD-10, smoothing 0.1": replace(ten, smoothing=0.1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("setting", choices=SETTINGS)
    parser.add_argument("--path", default="", help="of the source")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", default="", help="names with semicolons between: all without")
    parser.add_argument("--part", choices=("validation", "test"), default="test")
    parser.add_argument("--attacks", choices=("fast", "standard"), default="fast")
    parser.add_argument("--costs", action="store_true", help="time the rows instead of measuring what they gain")
    parser.add_argument("--out", type=Path, default=Path("bench/out"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    setting = SETTINGS[asked.setting]
    setting = replace(setting, source=replace(setting.source, path=asked.path))
    if asked.costs:
        return show_costs(setting, names_of(asked, setting))
    log = asked.out / f"training-{asked.setting}-{asked.part}-{asked.attacks}.jsonl"
    measure_all(asked, setting, log)
    table = table_of(log, list(rows_of(setting)))
    about = {"cores": os.cpu_count(), "torch": torch.__version__, "attacks": asked.attacks, "part": asked.part}
    log.with_suffix(".json").write_text(json.dumps({**about, "rows": table}, indent=1) + "\n")
    show(table)
    return plot(table, log.with_suffix(".png"), f"{asked.setting}, L-inf {setting.epsilon}")


def names_of(asked: argparse.Namespace, setting: Setting) -> list[str]:
    return [name.strip() for name in asked.rows.split(";")] if asked.rows else list(rows_of(setting))


def show_costs(setting: Setting, names: list[str]) -> None:
    """Median over five rounds of each row's CPU time, as a multiple of plain training's in the same round."""
    parts, rows, rounds = parts_of(setting, 0), rows_of(setting), []
    for _ in range(5):
        seconds = {}
        for name in dict.fromkeys([PLAIN, *names]):
            began = time.process_time()
            trained(replace(rows[name], steps=50), parts, 0)
            seconds[name] = (time.process_time() - began) * rows[name].steps
        rounds.append({name: spent / seconds[PLAIN] for name, spent in seconds.items()})
    for name in rounds[0]:
        ratios = sorted(one[name] for one in rounds)
        print(f"{name:38}{ratios[2]:>7.2f}x  from {ratios[0]:.2f} to {ratios[4]:.2f}", flush=True)


def measure_all(asked: argparse.Namespace, setting: Setting, log: Path) -> None:
    wanted = names_of(asked, setting)
    done = {(line["row"], line["seed"]) for line in lines_of(log)}
    for seed in range(asked.seeds):
        todo = [name for name in wanted if (name, seed) not in done]
        if not todo:
            continue
        parts = parts_of(setting, seed)
        for name in todo:
            found = {"row": name, "seed": seed, **measured(rows_of(setting)[name], parts, setting, seed, asked)}
            print(json.dumps(found), flush=True)
            with log.open("a") as file:
                file.write(json.dumps(found) + "\n")


def parts_of(setting: Setting, seed: int) -> dict[str, Batch]:
    """Training, validation and test samples of one split."""
    options = replace(setting.source, split_seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        take_in(source_of(options), options, Path(folder), lambda _: None)
        taken = open_taken(Path(folder))
        return {part: taken.batch(part, options) for part in ("train", "validation", "test")}


def measured(
    options: FitOptions, parts: dict[str, Batch], setting: Setting, seed: int, asked: argparse.Namespace
) -> dict[str, object]:
    """One training: accuracy in percent, CPU seconds and gradient evaluations of a batch a step."""
    began = time.process_time()
    with counted() as images:
        fitted = trained(options, parts, seed)
    seconds = time.process_time() - began
    held_out = WatchOptions(attack="apgd_dlr", steps=20)
    chosen_by = 100 * look(fitted.model, parts["validation"], Ball(epsilon=setting.epsilon), held_out)
    batch = parts[asked.part].rows(torch.arange(min(setting.samples, len(parts[asked.part]))))
    clean, robust = accuracies(fitted.model, batch, setting.epsilon, fast=asked.attacks == "fast")
    evaluations = images[0] / options.batch_size
    facts = {name: value for name, value in fitted.facts.items() if name != "looks"}
    costs = {"seconds": seconds, "gradients": evaluations}
    return {"validation": chosen_by, "clean": clean, "robust": robust, **costs, **facts}


def trained(options: FitOptions, parts: dict[str, Batch], seed: int) -> Fitted:
    train = parts["train"]
    classes = int(train.labels.max()) + 1
    pool = Pool.of_real(train, classes)
    batches = MixedBatches(pool, pool, 0.0, options.batch_size, seed)
    shape = ClassifierShape(*train.inputs["image"].shape[1:], classes)
    return fit(batches.batch, shape, options, seed, "bench", Beside(parts["validation"]))


@contextmanager
def counted() -> Iterator[list[int]]:
    """Counts the images that classifiers see with a graph, each of which is gone back through once."""
    forward, images = Classifier.forward, [0]

    def counting(model: Classifier, x: torch.Tensor) -> torch.Tensor:
        logits = forward(model, x)
        images[0] += len(x) * logits.requires_grad
        return logits

    Classifier.forward = counting  # type: ignore[method-assign]
    try:
        yield images
    finally:
        Classifier.forward = forward  # type: ignore[method-assign]


def accuracies(model: Classifier, batch: Batch, epsilon: float, *, fast: bool) -> tuple[float, float]:
    """Clean and robust accuracy under AutoAttack, in percent."""
    x, y = batch.inputs["image"], batch.labels
    trials = autoattack(Ball(epsilon=epsilon), model.shape.classes, fast=fast)
    broken_by = finish(begin(model, x, y), trials, model, x, y).broken_by
    return 100 * (broken_by != -2).float().mean().item(), 100 * (broken_by == -1).float().mean().item()


def lines_of(log: Path) -> list[dict]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.is_file() else []


def table_of(log: Path, order: list[str]) -> dict[str, dict[str, object]]:
    """Row -> accuracies, cost as a multiple of the plain training of the same seed, and gradient evaluations."""
    lines = lines_of(log)
    plain = {line["seed"]: line for line in lines if line["row"] == PLAIN}
    table = {}
    for name in order:
        of_row = [line for line in lines if line["row"] == name and line["seed"] in plain]
        if not of_row:
            continue
        columns = {column: [line[column] for line in of_row] for column in COLUMNS}
        cost = [line["seconds"] / plain[line["seed"]]["seconds"] for line in of_row]
        gradients = [line["gradients"] / plain[line["seed"]]["gradients"] for line in of_row]
        table[name] = {**columns, "cost": cost, "gradients": gradients}
    return table


def show(table: dict[str, dict[str, object]]) -> None:
    print(f"{'row':38}{'seeds':>6}{'validation, %':>14}{'clean, %':>14}{'robust, %':>14}{'cost':>8}{'gradients':>11}")
    for name, row in table.items():
        accuracy = "".join(f"{spread(row[column]):>14}" for column in ("validation", "clean", "robust"))
        cells = f"{mean(row['cost']):>7.1f}x{mean(row['gradients']):>10.1f}x"
        print(f"{name:38}{len(row['seed']):>6}{accuracy}{cells}")


def spread(values: list[float]) -> str:
    return f"{mean(values):.1f} ± {stdev(values):.1f}" if len(values) > 1 else f"{values[0]:.1f}"


def plot(table: dict[str, dict[str, object]], path: Path, title: str) -> None:
    """The trade-off: clean accuracy against robust accuracy, a point a row, its area the cost of training."""
    figure, axes = plt.subplots(figsize=(10, 5.5), layout="constrained")
    for number, (name, row) in enumerate(table.items(), 1):
        at, cost = (mean(row["clean"]), mean(row["robust"])), mean(row["cost"])
        axes.scatter(*at, s=15 * cost, alpha=0.6, label=f"{number} {name} ({cost:.1f}x)")
        axes.annotate(str(number), at, xytext=(4, 3), textcoords="offset points", fontsize=8)
    figure.legend(loc="outside right upper", fontsize=8, markerscale=0.6)
    axes.set(xlabel="clean accuracy, %", ylabel="AutoAttack accuracy, %", title=title)
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
