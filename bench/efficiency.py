"""Do 1,000 hard samples do what 3,000 random samples of the same generator do?

On the networks of a finished run. All samples are its GAN's, all are judged by its checks but for hardness; hard ones
are those that an attack can push over the boundary of its model. Same trainer, same steps, same judges' soft labels.

    python bench/efficiency.py --run runs/digits --seeds 5 --part validation
"""

import argparse
import json
from dataclasses import replace
from functools import reduce
from operator import and_
from pathlib import Path
from statistics import mean, stdev
from typing import cast

import numpy as np
import torch

import generators.checks
from data.loader import MixedBatches, Pool
from data.modalities import image
from data.plugins import plugin
from data.runs import open_run
from generators.checks import Check, hear
from generators.margins import Model
from generators.options import Ball
from generators.search.random_latent import random_latent
from pipelines.recipes import DEFAULT, Recipe
from pipelines.training.evaluation.statistics import difference
from pipelines.training.evaluation.suite import autoattack, begin, finish
from pipelines.training.fitting.fit import fit
from pipelines.training.materialise import AT_ONCE, balanced_labels, draft_rng, pressed
from pipelines.training.participants import real_pool, samples, scene_of, witnesses_of
from pipelines.training.sets import thresholds_of

DRAWN = 24_000
SETS = {"3,000 random": ("random", 3000), "1,000 hard": ("hard", 1000), "1,000 random": ("random", 1000)}
HARD = "1,000 hard"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("runs/digits"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--part", choices=("validation", "test"), default="validation")
    parser.add_argument("--out", type=Path, default=Path("bench/out/efficiency.json"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    pools = pools_of(DEFAULT, asked.run)
    print({name: len(pool) for name, pool in pools.items()}, flush=True)
    flags: dict[str, list[list[bool]]] = {name: [] for name in SETS}
    for seed in range(asked.seeds):
        for name, (kind, count) in SETS.items():
            flags[name].append(robust(DEFAULT, asked.run, first(pools[kind], count), seed, asked.part))
            print(name, seed, f"{100 * mean(flags[name][-1]):.1f}", flush=True)
            asked.out.parent.mkdir(parents=True, exist_ok=True)
            asked.out.write_text(
                json.dumps({name: [100 * mean(one) for one in found] for name, found in flags.items()})
            )
    for name, found in flags.items():
        figures = [100 * mean(one) for one in found]
        spread = f" ± {stdev(figures):.1f}" if len(figures) > 1 else ""
        gap = difference(np.array(flags[HARD]), np.array(found))
        print(
            f"{name:14}{mean(figures):6.1f}{spread}   hard minus this {gap.mean:+.1f} [{gap.low:+.1f}, {gap.high:+.1f}]"
        )


def pools_of(recipe: Recipe, run: Path) -> dict[str, Pool]:
    """What the judges let pass of the generator's samples: a random choice, and those that an attack can turn."""
    scene, witnesses = scene_of(run, recipe.source), witnesses_of(run, recipe.source, recipe.judges.folds)
    limits = thresholds_of(recipe, open_run(run.absolute(), recipe.name))
    rng = draft_rng(recipe.seed, "efficiency", 0)
    found: dict[str, list[Pool]] = {"random": [], "hard": []}
    for y in torch.split(balanced_labels(scene.real, DRAWN, rng), AT_ONCE):
        candidates = random_latent(scene, y, recipe.search, rng)
        evidence = pressed(hear(witnesses, candidates.batch), scene.model, candidates, recipe.search, limits)
        verdicts = {
            name: cast(Check, plugin(generators.checks, name))(candidates, evidence, limit)
            for name, limit in limits.items()
        }
        judged = reduce(and_, (verdict for name, verdict in verdicts.items() if name != "robust_margin")).accepted
        every = Pool(image.quantise(candidates.batch.inputs["image"]), evidence.softened(recipe.shards.softness))
        for kind, chosen in (("random", judged), ("hard", judged & verdicts["robust_margin"].accepted)):
            found[kind].append(Pool(every.images[chosen], every.soft_labels[chosen]))
    return {kind: joined(parts) for kind, parts in found.items()}


def joined(parts: list[Pool]) -> Pool:
    return Pool(torch.cat([part.images for part in parts]), torch.cat([part.soft_labels for part in parts]))


def first(pool: Pool, count: int) -> Pool:
    if len(pool) < count:
        raise SystemExit(f"{count} samples are asked for, and {len(pool)} passed")
    return Pool(pool.images[:count], pool.soft_labels[:count])


def robust(recipe: Recipe, run: Path, pool: Pool, seed: int, part: str) -> list[bool]:
    """Which evaluation samples a classifier trained on a pool withstands, by AutoAttack's first two attacks."""
    real, shape = real_pool(run, "train", recipe.source)
    batches = MixedBatches(real, pool, recipe.training.synthetic_share, recipe.training.batch_size, seed)
    return stands(fit(batches.batch, shape, recipe.training, seed, "efficiency").model, recipe, run, part)


def stands(model: Model, recipe: Recipe, run: Path, part: str) -> list[bool]:
    options = replace(recipe.evaluation, part=part)
    batch = samples(run, options.part, recipe.source)
    batch = batch.rows(torch.arange(min(options.samples, len(batch))))
    x, y = batch.inputs["image"], batch.labels
    trials = autoattack(Ball(epsilon=options.epsilon, norm=options.norm), 10, fast=True)
    return (finish(begin(model, x, y), trials, model, x, y).broken_by == -1).tolist()


if __name__ == "__main__":
    main()
