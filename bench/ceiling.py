"""How much could any shards bring? Further real samples under their true labels, in the shards' place.

On a finished run: training samples that its recipe leaves unlabelled, whose labels no stage reads, mixed in at the
run's share, with its trainer and steps, attacked as its arms were on the same test samples. A yardstick and no bound:
shards have neither their labels nor their variety, but soft labels, which these lack. Beside it the run's arms.

    python -m bench.ceiling --run runs/fashion --recipe fashion --seeds 5
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import torch

from data.loader import MixedBatches, Pool
from data.runs import open_run
from pipelines.recipes import Recipe, preset
from pipelines.training.arms import ARMS
from pipelines.training.evaluation.options import EvaluationOptions
from pipelines.training.evaluation.robustness import Accuracy, judge_robustness
from pipelines.training.evaluation.statistics import difference
from pipelines.training.fitting.fit import fit
from pipelines.training.models.classifier import save_classifier
from pipelines.training.participants import real_pool, samples
from pipelines.training.places import EXAMINER, judge_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("runs/fashion"))
    parser.add_argument("--recipe", default="fashion")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--further", type=int, default=20_000)
    parser.add_argument("--out", type=Path, default=Path("bench/out/ceiling.json"))
    asked = parser.parse_args()
    torch.set_num_threads(2)
    recipe, run = preset(asked.recipe), asked.run.absolute()
    report = json.loads((run / "report.json").read_bytes())
    recipe = replace(recipe, evaluation=EvaluationOptions(**report["evaluation"]))
    pool = further(recipe, run, asked.further)
    found: list[Accuracy] = []
    for seed in range(asked.seeds):
        found.append(measured(recipe, run, pool, seed))
        print(seed, *(f"{name} {percent(flags):.1f}" for name, flags in shown(found[-1]).items()), flush=True)
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(json.dumps([shown(one) for one in found]))
    for name in ("clean", "robust"):
        figures = [percent(shown(one)[name]) for one in found]
        spread = f" ± {stdev(figures):.1f}" if len(figures) > 1 else ""
        print(f"{len(pool)} further real samples, {name}: {mean(figures):.1f}{spread}")
    ceiling = np.array([bits(one.robust) for one in found])
    for short, arm in ARMS.items():
        if arm.name in report["arms"]:
            gap = difference(ceiling, arm_flags(recipe, run, short, asked.seeds))
            print(f"{arm.name:26} they are ahead of it by {gap.mean:+.1f} [{gap.low:+.1f}, {gap.high:+.1f}]")


def further(recipe: Recipe, run: Path, most: int) -> Pool:
    """Training samples that the recipe leaves unlabelled, under their true labels."""
    known = set(samples(run, "train", recipe.source).keys)
    every = samples(run, "train", replace(recipe.source, labelled=0))
    rest = torch.tensor([row for row, key in enumerate(every.keys) if key not in known][:most])
    return Pool.of_real(every.rows(rest), int(every.labels.max()) + 1)


def measured(recipe: Recipe, run: Path, pool: Pool, seed: int) -> Accuracy:
    """A classifier trained on them beside the run's real samples, attacked as the run's arms were."""
    real, shape = real_pool(run, "train", recipe.source)
    options = recipe.training
    batches = MixedBatches(real, pool, options.synthetic_share, options.batch_size, seed)
    name = f"trials/ceiling-{seed}.safetensors"
    (run / name).parent.mkdir(exist_ok=True)
    save_classifier(run / name, fit(batches.batch, shape, options, seed, "ceiling").model)
    surrogates = [*map(judge_file, range(recipe.judges.folds)), EXAMINER]
    return judge_robustness(run, name, surrogates, recipe.source, recipe.evaluation, "ceiling")


def arm_flags(recipe: Recipe, run: Path, short: str, seeds: int) -> np.ndarray:
    """Which test samples an arm of the run withstands, bool (S, N)."""
    opened = open_run(run, recipe.name)
    return np.array([bits(str(opened.record(f"accuracy-{short}-{seed}").facts["robust"])) for seed in range(seeds)])


def shown(found: Accuracy) -> dict[str, str]:
    return {"clean": found.clean, "robust": found.robust}


def bits(flags: str) -> list[bool]:
    return [flag == "1" for flag in flags]


def percent(flags: str) -> float:
    return 100 * mean(bits(flags))


if __name__ == "__main__":
    main()
