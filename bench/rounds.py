"""How near rounds of shards come to training with the attack in the loop.

Every repetition has its own split and its own first weights. Shards go through the disk as in any run. The generator
takes no part in rounds and is trained for a moment only; so are the judges in rows with hard labels. Lines are appended
to a log as they come, and rows that stand in it are not done again. Settings are chosen on the validation part; the
test part is for the table.

    python bench/rounds.py --seeds 5 --part test
    python bench/rounds.py --seeds 2 --rows "20 rounds; 40 rounds" --attacks fast --part validation
"""

import argparse
import json
import time
from pathlib import Path
from statistics import mean, stdev

import torch

from data.runs import Run
from generators.options import Ball
from pipelines.recipes import DEFAULT, Recipe, overridden
from pipelines.training import stages
from pipelines.training.evaluation.suite import autoattack, begin, finish
from pipelines.training.models.classifier import load_classifier
from pipelines.training.participants import samples
from pipelines.training.rounds import stages as rounds
from pipelines.training.session import session

MAIN = "20 rounds, hard labels"
ROWS: dict[str, dict[str, str]] = {
    MAIN: {"rounds.soft": "0"},
    rounds.IN_LOOP: {"rounds.soft": "0"},
    rounds.PLAIN: {"rounds.soft": "0"},
    "one round of 250, static": {"rounds.soft": "0", "rounds.count": "1", "rounds.steps": "250"},
    "40 rounds, hard labels": {"rounds.soft": "0", "rounds.count": "40"},
    "newest only, hard labels": {"rounds.soft": "0", "rounds.archive": "0"},
    "the ball itself, hard labels": {"rounds.soft": "0", "rounds.search.epsilon": "0.12"},
    "20 rounds": {},
    "40 rounds": {"rounds.count": "40"},
}
"""Row -> how it differs from the defaults, whose count is 20 here. The second and third train for as many steps as the
first, which comes before them."""
BASE = {"generator.steps": "2", "rounds.count": "20"}
HASTY = {"judges.fit.steps": "2"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--rows", default="", help="names with semicolons between: all without")
    parser.add_argument("--part", choices=("validation", "test"), default="test")
    parser.add_argument("--attacks", choices=("fast", "standard"), default="standard")
    parser.add_argument("--out", type=Path, default=Path("runs/bench-rounds"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    asked.out.mkdir(parents=True, exist_ok=True)
    log = asked.out / f"rounds-{asked.part}-{asked.attacks}.jsonl"
    wanted = [name.strip() for name in asked.rows.split(";")] if asked.rows else list(ROWS)
    done = {(line["row"], line["seed"]) for line in lines_of(log)}
    for seed in range(asked.first, asked.first + asked.seeds):
        for name in (name for name in wanted if (name, seed) not in done):
            recipe = recipe_of(name, seed, asked)
            with session(recipe, folder_of(asked, seed, name)) as run:
                found = {"row": name, "seed": seed, **measured(recipe, run, name)}
            print(json.dumps(found), flush=True)
            with log.open("a") as file:
                file.write(json.dumps(found) + "\n")
    show(lines_of(log))


def folder_of(asked: argparse.Namespace, seed: int, row: str) -> Path:
    return asked.out / f"split-{seed}{'-hard' * is_hard(row)}"


def recipe_of(row: str, seed: int, asked: argparse.Namespace) -> Recipe:
    measured_by = {"evaluation.part": asked.part, "evaluation.attacks": asked.attacks}
    seeds = {"seed": str(seed), "source.split_seed": str(seed)}
    return overridden(DEFAULT, {**BASE, **measured_by, **seeds, **(HASTY if is_hard(row) else {}), **ROWS[row]})


def is_hard(row: str) -> bool:
    return ROWS[row].get("rounds.soft") == "0"


def measured(recipe: Recipe, run: Run, row: str) -> dict[str, object]:
    """Clean and robust accuracy of one row, what it cost, and how attack success went."""
    prepare(recipe, run)
    began = time.monotonic()
    if row in (rounds.IN_LOOP, rounds.PLAIN):
        rounds.rival(recipe, run, row)
        stage, more = row, {"gradients": gradients_of(recipe, row, rounds.last_round(recipe, run))}
    else:
        last = rounds_of(recipe, run)
        stage, success = f"round-model-{last}", rounds.successes(run, last)
        more = {"gradients": gradients_of_rounds(recipe, last), "rounds": last, "success": success}
    seconds = time.monotonic() - began
    return {**accuracies(recipe, run, stage), "seconds": seconds, **more}


def prepare(recipe: Recipe, run: Run) -> None:
    stages.source(recipe, run)
    stages.gan(recipe, run)
    stages.examiner(recipe, run)
    for fold in range(recipe.judges.folds):
        stages.judge(recipe, run, fold)


def rounds_of(recipe: Recipe, run: Run) -> int:
    """Make the rounds; returns the last one."""
    rounds.first_model(recipe, run)
    for number in range(1, recipe.rounds.count + 1):
        rounds.round_set(recipe, run, number)
        rounds.round_model(recipe, run, number)
        if rounds.stalled(recipe, run, number):
            return number
    return recipe.rounds.count


def accuracies(recipe: Recipe, run: Run, stage: str) -> dict[str, float]:
    """Clean and robust accuracy, in percent, of what a stage left."""
    asked, model = recipe.evaluation, load_classifier(run.path(f"{stage}.safetensors"))
    batch = samples(run.folder, asked.part, recipe.source)
    x, y = batch.inputs["image"][: asked.samples], batch.labels[: asked.samples]
    trials = autoattack(Ball(epsilon=asked.epsilon), model.shape.classes, fast=asked.attacks == "fast")
    broken_by = finish(begin(model, x, y), trials, model, x, y).broken_by
    clean, robust = ((broken_by != -2).float().mean(), (broken_by == -1).float().mean())
    return {"clean": 100 * clean.item(), "robust": 100 * robust.item()}


def gradients_of_rounds(recipe: Recipe, last: int) -> int:
    """Images that were gone back through: in attacks, and in training."""
    options = recipe.rounds
    trained = (last + 1) * options.steps * options.fit.batch_size
    return trained + last * options.candidates * options.search.steps


def gradients_of(recipe: Recipe, rival: str, last: int) -> int:
    options = recipe.rounds
    images = (last + 1) * options.steps * options.fit.batch_size
    return images * (1 + options.in_loop(1).ball.steps * (rival == rounds.IN_LOOP))


def lines_of(log: Path) -> list[dict]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.is_file() else []


def show(lines: list[dict]) -> None:
    in_loop = {line["seed"]: line["robust"] for line in lines if line["row"] == rounds.IN_LOOP}
    print(f"{'row':28}{'seeds':>6}{'clean, %':>14}{'robust, %':>14}{'behind the loop':>18}{'gradients, k':>14}")
    for name in dict.fromkeys(line["row"] for line in lines):
        of_row = [line for line in lines if line["row"] == name]
        behind = [in_loop[line["seed"]] - line["robust"] for line in of_row if line["seed"] in in_loop]
        cells = [spread([line[kind] for line in of_row]) for kind in ("clean", "robust")]
        cost = mean(line["gradients"] for line in of_row) / 1000
        print(f"{name:28}{len(of_row):>6}{cells[0]:>14}{cells[1]:>14}{spread(behind):>18}{cost:>14.0f}")


def spread(values: list[float]) -> str:
    if not values:
        return "-"
    return f"{mean(values):.1f} ± {stdev(values):.1f}" if len(values) > 1 else f"{values[0]:.1f}"


if __name__ == "__main__":
    main()
