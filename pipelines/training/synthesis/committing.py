"""Commits the set of a synthesis: manifests, what describes it, its index."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from data.packing import About, finish
from data.sidecars import ShardRecord
from data.store import Store
from pipelines.recipes import Recipe
from pipelines.training.committing import Packing
from pipelines.training.events.participants import pairs_of
from pipelines.training.pages.funnel import funnel_of
from pipelines.training.synthesis.options import WALK
from pipelines.training.synthesis.places import ATTACKED


def commit_set(
    recipe: Recipe, run: Path, packing: Packing, shards: Sequence[ShardRecord], made: Mapping[str, str]
) -> dict[str, object]:
    """Write all of it; in a worker process.

    Args:
        made: stage -> digest of it, of whoever took part in making or judging a sample.
    """
    store, pairs = Store(packing.url), pairs_of(run)
    about = About.of_forms(recipe.called, pairs.summary.class_names, pairs.forms())
    more = {"seed": recipe.seed, "round": 0, "made_by": dict(made), "margins": _margins_of(recipe)}
    finished = finish(packing.plan, shards, store, about, more)
    manifests = [manifest.name for manifest in finished.manifests]
    return {
        "samples": finished.facts["samples"],
        "digest": finished.facts["digest"],
        "candidates": funnel_of(store, manifests),
        "files": [*finished.sidecars, *manifests],
    }


def _margins_of(recipe: Recipe) -> dict[str, str]:
    """Way -> whose margins its samples have: a head of the model that was attacked, or the judges' consensus."""
    head = recipe.synthesis.walk.head
    return {way: f"{ATTACKED}, {head}" if way.startswith(WALK) else "consensus" for way in recipe.synthesis.asked}
