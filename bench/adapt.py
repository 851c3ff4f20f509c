"""What adaptation without a target label comes to, beside its controls, over several seeds.

Each repetition is a whole run with its own split of the target, its own draw of the source, its own classifiers and
translation, so the spread covers everything that chance decides. Figures are one classifier's, the mean of a round's.

    python bench/adapt.py rendered_to_digits --seeds 5 --out runs/bench-adapt
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev

import torch

SELF, OURS = "self-training alone", "translation and self-training"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("runs/bench-adapt"))
    asked, options = parser.parse_known_args()
    reports = [report_of(asked, seed, options) for seed in range(asked.seeds)]
    arms = {name: [last_of(report["arms"][name]) for report in reports] for name in reports[0]["arms"]}
    gains = [ours - alone for ours, alone in zip(arms[OURS], arms[SELF], strict=True)]
    summary = {"recipe": asked.recipe, "options": options, "measured": reports[0]["measured"], "arms": arms}
    summary |= {"gains": gains, "cores": os.cpu_count(), "torch": torch.__version__}
    summary["seconds"] = [report["seconds"] for report in reports]
    (asked.out / f"{asked.recipe}.json").write_text(json.dumps(summary, indent=1))
    for name, values in [*arms.items(), ("ours minus self-training alone", gains)]:
        print(f"{name:34}{spread(values):>14}   {' '.join(f'{value:.1f}' for value in values)}")


def report_of(asked: argparse.Namespace, seed: int, options: list[str]) -> dict:
    folder = asked.out / f"{asked.recipe}-{seed}"
    seeds = ["--seed", "--adapt.target.split_seed", "--source.split_seed", "--source.draw_seed"]
    varied = [word for name in seeds for word in (name, str(seed))]
    command = [sys.executable, "-m", "pipelines.cli", "adapt", asked.recipe, "--run", str(folder), *varied, *options]
    subprocess.run(command, check=True)
    return json.loads((folder / "report.json").read_text())


def last_of(rounds: list[dict]) -> float:
    """Accuracy of one classifier of an arm's last round, in percent."""
    return mean(rounds[-1]["members"])


def spread(values: list[float]) -> str:
    return f"{mean(values):.1f} ± {stdev(values):.1f}" if len(values) > 1 else f"{values[0]:.1f}"


if __name__ == "__main__":
    main()
