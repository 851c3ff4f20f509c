"""What do shards bring where labels are scarce? Uplift over the number of labelled samples.

Each number of labels is a whole run: its own model, generator, judges, shards and arms, all trained adversarially as in
the recipe; the test part is the same. Further options go to every run.

    python bench/scarcity.py --labels 100 300 900 --seeds 2 --out runs/bench-scarcity
    python bench/scarcity.py --seeds 1 --training.steps 400 --evaluation.attacks fast
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev

import torch
from matplotlib.figure import Figure

BASELINE, OURS = "real only", "real + ours"
ROOM = ["--source.validation_share", "0.2", "--source.test_share", "0.2"]
"""Leaves 900 digits to train on, evenly over the classes."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, nargs="+", default=[100, 300, 900])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--recipe", default="digits")
    parser.add_argument("--out", type=Path, default=Path("runs/bench-scarcity"))
    asked, options = parser.parse_known_args()
    reports = {labels: report_of(asked, labels, options) for labels in asked.labels}
    arms = list(next(iter(reports.values()))["arms"])
    summary = {
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "options": options,
        "robust": {arm: {labels: report["arms"][arm]["robust"] for labels, report in reports.items()} for arm in arms},
        "clean": {arm: {labels: report["arms"][arm]["clean"] for labels, report in reports.items()} for arm in arms},
        "ours_minus": {labels: report["ours_minus"] for labels, report in reports.items()},
    }
    (asked.out / "scarcity.json").write_text(json.dumps(summary, indent=1))
    show(summary)
    draw(summary["robust"], asked.out / "scarcity.png")


def report_of(asked: argparse.Namespace, labels: int, options: list[str]) -> dict:
    folder = asked.out / f"labels-{labels}"
    command = [sys.executable, "-m", "pipelines.cli", "run", asked.recipe, "--run", str(folder), *ROOM]
    command += ["--seeds", str(asked.seeds), "--source.labelled", str(labels), *options]
    subprocess.run(command, check=True)
    return json.loads((folder / "report.json").read_text())


def show(summary: dict) -> None:
    sizes = list(summary["ours_minus"])
    print(f"{'robust accuracy, %':28}" + "".join(f"{size:>16} labels" for size in sizes))
    for arm, figures in summary["robust"].items():
        print(f"{arm:28}" + "".join(f"{spread(figures[size]):>23}" for size in sizes))
    for arm in summary["robust"]:
        if arm != OURS:
            gaps = (summary["ours_minus"][size][arm] for size in sizes)
            said = (f"{gap['mean']:+.1f} [{gap['low']:+.1f}, {gap['high']:+.1f}]" for gap in gaps)
            print(f"{'ours minus ' + arm:38}" + "".join(f"{one:>22}" for one in said))


def draw(robust: dict[str, dict[int, list[float]]], path: Path) -> None:
    """Points gained over real samples alone, an arm a line, a dot a seed."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for (arm, figures), marker in zip(robust.items(), "osD^vPX*", strict=False):
        if arm == BASELINE:
            continue
        gains = {size: gained(values, robust[BASELINE][size]) for size, values in figures.items()}
        strong = {"color": "#d9792b", "linewidth": 2.5} if arm == OURS else {}
        (line,) = axes.plot(list(gains), [mean(values) for values in gains.values()], f"-{marker}", label=arm, **strong)
        for size, values in gains.items():
            axes.plot([size] * len(values), values, ".", color=line.get_color(), markersize=4)
    axes.axhline(0, color="#888", linewidth=0.8)
    axes.set(xscale="log", xlabel="labelled samples", ylabel=f"robust accuracy over {BASELINE}, points")
    axes.set_xticks(list(robust[BASELINE]), [str(size) for size in robust[BASELINE]])
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize="small")
    figure.savefig(path, dpi=120)


def gained(values: list[float], baseline: list[float]) -> list[float]:
    return [one - other for one, other in zip(values, baseline, strict=True)]


def spread(values: list[float]) -> str:
    return f"{mean(values):.1f} ± {stdev(values):.1f}" if len(values) > 1 else f"{values[0]:.1f}"


if __name__ == "__main__":
    main()
