"""A budget against the recipe's fixed mix: samples accepted in the same seconds, and how far the forecast was off.

    python -m bench.budget RUN                      RUN: a copy of a finished run of recipe digits
    python -m bench.budget RUN --seeds 5 --mix latent_walk=0.5,perturb=0.5

CPU seconds of one process of one thread, loading and writing included, so that others on the machine matter less. The
mix is run first; the budget gets as many seconds, the probe's own not counted, which a run pays once (its column).
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

import torch

from data.manifest import count
from data.runs import Run
from data.store import Store
from pipelines.recipes import Recipe, preset
from pipelines.training import probing, sets
from pipelines.training.budget import BudgetOptions, allocate
from pipelines.training.drafting import DRAFTS, PROBE
from pipelines.training.materialise import build_draft
from pipelines.training.sets import SetOptions

T = TypeVar("T")
ATTEMPTS = 6000
"""Candidates of the fixed mix."""
FLOORS = (0.5, 0.0)
COLUMNS = ("seed", "floor", "seconds: mix", "budget", "forecast", "probe", "accepted: mix", "budget", "forecast")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--mix", default="")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    print(f"| {' | '.join((*COLUMNS, 'budget / mix', 'kept by search', 'least and most of a class'))} |")
    print("|" + " --- |" * (len(COLUMNS) + 3))
    for seed in range(asked.seeds):
        compare(recipe_of(seed, asked.mix), Run(asked.run.absolute()), seed)


def recipe_of(seed: int, mix: str) -> Recipe:
    recipe = replace(preset("digits"), seed=seed)
    pairs = (part.split("=") for part in mix.split(",") if part)
    shares = {name: float(share) for name, share in pairs}
    return replace(recipe, search=replace(recipe.search, mix=shares)) if shares else recipe


def compare(recipe: Recipe, run: Run, seed: int) -> None:
    options = replace(sets.hard_set(recipe, run), parts=1, attempts=ATTEMPTS)
    usual, seconds = timed(lambda: kept_of(recipe, run, replace(options, folder="bench/mix")))
    request = sets.request_of(recipe, run, replace(options, folder=PROBE), 0)
    probe = probing.probe(request, BudgetOptions().probe, time.process_time)
    for floor in FLOORS:
        budget = BudgetOptions(minutes=seconds / 60, search_floor=floor)
        found = allocate({**probe, "spent": 0.0}, recipe.search.mix, budget, 1)
        spent = replace(options, folder=f"bench/budget-{floor}", allocation=found)
        kept, took = timed(lambda spent=spent: kept_of(recipe, run, spent))  # type: ignore[misc]
        got, before, expected = (sum(one.values()) for one in (kept[0], usual[0], found.accepted))
        figures = [
            seed,
            floor,
            f"{seconds:.1f}",
            f"{took:.1f}",
            f"{found.seconds:.1f}",
            f"{float(str(probe['spent'])):.1f}",
        ]
        figures += [before, got, f"{expected:.0f}", f"{got / took / (before / seconds):.2f}"]
        searches = ", ".join(f"{name} {n}" for name, n in kept[0].items())
        shares = [f"{100 * end(kept[1].values()) / got:.1f} %" for end in (min, max)]
        print(f"| {' | '.join(map(str, figures))} | {searches} | {', '.join(shares)} |", flush=True)


def kept_of(recipe: Recipe, run: Run, options: SetOptions) -> tuple[dict[str, int], dict[int, int]]:
    """Kept samples by search and by class."""
    record = build_draft(sets.request_of(recipe, run, options, 0))
    store = Store(str(run.path(f"{DRAFTS}/{options.folder}")))
    by_search: dict[str, int] = {}
    by_class = dict.fromkeys(range(10), 0)
    for (search, label, reason), n in count(store, [record.manifest], ["search", "label", "reason"]).items():
        if not reason:
            by_search[search] = by_search.get(search, 0) + n
            by_class[label] += n
    assert sum(by_search.values()) == asdict(record)["samples"]
    return dict(sorted(by_search.items())), by_class


def timed(work: Callable[[], T]) -> tuple[T, float]:
    began = time.process_time()
    return work(), time.process_time() - began


if __name__ == "__main__":
    main()
