"""Do the shards pay, from scratch, on several splits?

Each repetition is a whole run with its own split of the data, its own model, generator, judges and shards, so the
spread covers everything that chance decides. `hardshard run digits --seeds 5` varies the trainings alone.

    python bench/uplift.py --repetitions 5 --out runs/bench-uplift
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev

import torch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--recipe", default="digits")
    parser.add_argument("--out", type=Path, default=Path("runs/bench-uplift"))
    asked, options = parser.parse_known_args()
    reports = [report_of(asked, number, options) for number in range(asked.repetitions)]
    summary = {"cores": os.cpu_count(), "torch": torch.__version__, "arms": table_of(reports)}
    summary["kept_labels"] = [report["kept_labels"]["agreement"] for report in reports]
    (asked.out / "uplift.json").write_text(json.dumps(summary, indent=1))
    show(summary["arms"])


def report_of(asked: argparse.Namespace, number: int, options: list[str]) -> dict:
    folder = asked.out / f"split-{number}"
    seeds = ["--seed", str(number), "--source.split_seed", str(number)]
    command = [sys.executable, "-m", "pipelines.cli", "run", asked.recipe, "--run", str(folder), *seeds, *options]
    subprocess.run(command, check=True)
    return json.loads((folder / "report.json").read_text())


def table_of(reports: list[dict]) -> dict[str, dict[str, list[float]]]:
    """Arm -> clean and robust accuracy and what ours gains over it, one figure a repetition."""
    ours = [mean(report["arms"]["real + ours"]["robust"]) for report in reports]
    arms = {}
    for name in reports[0]["arms"]:
        robust = [mean(report["arms"][name]["robust"]) for report in reports]
        clean = [mean(report["arms"][name]["clean"]) for report in reports]
        gains = [a - b for a, b in zip(ours, robust, strict=True)]
        arms[name] = {"clean": clean, "robust": robust, "ours_minus": gains}
    return arms


def show(arms: dict[str, dict[str, list[float]]]) -> None:
    print(f"{'arm':28}{'clean, %':>14}{'robust, %':>14}{'ours minus this':>18}")
    for name, arm in arms.items():
        cells = (spread(arm[column]) for column in ("clean", "robust", "ours_minus"))
        print("{:28}{:>14}{:>14}{:>18}".format(name, *cells))


def spread(values: list[float]) -> str:
    return f"{mean(values):.1f} ± {stdev(values):.1f}" if len(values) > 1 else f"{values[0]:.1f}"


if __name__ == "__main__":
    main()
