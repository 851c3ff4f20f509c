"""What adaptation without a target label comes to, beside its controls, over several seeds.

Each repetition has its own split of the target, its own draw of the source, its own classifiers and translation, so the
spread covers everything that chance decides. Figures are one classifier's, the mean of a round's. The stages are those
of `hardshard adapt`, one after the other and without Prefect; what is finished is not done again.

    python bench/adapt.py rendered_to_digits --seeds 5 --out runs/bench-adapt
"""

import argparse
import json
import os
from pathlib import Path
from statistics import mean, stdev

import torch

from data.runs import Run
from pipelines.recipes import Recipe, overridden, preset
from pipelines.training import stages as of_any_run
from pipelines.training.adaptation import figures, stages
from pipelines.training.session import session

SELF, SPREAD, OURS = "confident self-training", "self-training, labels spread", "the same, and translation"
VARIED = ("seed", "adapt.target.split_seed", "source.split_seed", "source.draw_seed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--out", type=Path, default=Path("runs/bench-adapt"))
    asked, rest = parser.parse_known_args()
    options = {name.removeprefix("--"): value for name, value in zip(rest[::2], rest[1::2], strict=True)}
    reports = []
    for seed in range(asked.first, asked.first + asked.seeds):
        reports.append(report_of(asked, seed, options))
        summary = summary_of(reports)
        (asked.out / f"{asked.recipe}.json").write_text(json.dumps({**summary, "options": options}, indent=1))
    for name, values in (summary["arms"] | summary["gains"]).items():
        print(f"{name:58}{spread(values):>14}   {' '.join(f'{value:.1f}' for value in values)}")


def report_of(asked: argparse.Namespace, seed: int, options: dict[str, str]) -> dict:
    """Of one repetition, which is done first unless it is finished."""
    recipe = overridden(preset(asked.recipe), options | dict.fromkeys(VARIED, str(seed)))
    with session(recipe, asked.out / f"{asked.recipe}-{seed}") as run:
        do_all(recipe, run)
        report = json.loads(figures.write(recipe, run).read_text())
    print(seed, {name: [rounds["members"] for rounds in found] for name, found in report["arms"].items()}, flush=True)
    return report


def do_all(recipe: Recipe, run: Run) -> None:
    """Every stage of pipelines/adapt.py."""
    of_any_run.source(recipe, run)
    stages.target(recipe, run)
    for arm in (stages.SOURCE_ONLY, stages.AUGMENTED):
        do_members(recipe, run, arm, 0)
    for arm in stages.ROUNDED:
        if arm == stages.ADAPTED:
            stages.translation(recipe, run)
        for number in stages.rounds_of(recipe, arm):
            for kind in stages.kinds_of(arm):
                stages.draft(recipe, run, arm, number, kind)
            for place in range(recipe.adapt.shards):
                stages.shard(recipe, run, arm, number, place)
            stages.index(recipe, run, arm, number)
            do_members(recipe, run, arm, number)
    stages.pictures(recipe, run)
    stages.labelled_target(recipe, run)
    for place in range(recipe.adapt.members):
        stages.labelled_member(recipe, run, place)
    for arm, number in stages.measured(recipe):
        stages.accuracy(recipe, run, arm, number)
        if number in stages.rounds_of(recipe, arm):
            stages.pseudo_labels(recipe, run, arm, number)


def do_members(recipe: Recipe, run: Run, arm: str, number: int) -> None:
    for place in range(recipe.adapt.members):
        stages.member(recipe, run, arm, number, place)


def summary_of(reports: list[dict]) -> dict:
    """Accuracy of one classifier of each arm's last round by seed, in percent, and what one is ahead of another."""
    arms = {name: [mean(found["arms"][name][-1]["members"]) for found in reports] for name in reports[0]["arms"]}
    gains = {
        f"{one} minus {other}": [ours - theirs for ours, theirs in zip(arms[one], arms[other], strict=True)]
        for one, other in ((SPREAD, SELF), (OURS, SELF), (OURS, SPREAD))
    }
    told = {"measured": reports[0]["measured"], "cores": os.cpu_count(), "torch": torch.__version__}
    return {**told, "arms": arms, "gains": gains, "seconds": [found["seconds"] for found in reports]}


def spread(values: list[float]) -> str:
    return f"{mean(values):.1f} ± {stdev(values):.1f}" if len(values) > 1 else f"{values[0]:.1f}"


if __name__ == "__main__":
    main()
