"""What worker processes do for a set once its drafts are there: deal them to shards, and commit the set."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from data.draft_files import DraftRecord
from data.files import sha256_of
from data.packing import About, Plan, finish, pack_shard, plan
from data.pairing import open_pairs
from data.runs import Run
from data.sidecars import ShardRecord
from data.store import Store
from pipelines.recipes import Recipe
from pipelines.training.drafting import SPLIT
from pipelines.training.pages.funnel import bands_of, funnel_of
from pipelines.training.participants import taken
from pipelines.training.places import SOURCE
from pipelines.training.sets import SetOptions, participants


@dataclass(frozen=True)
class Packing:
    """All that decides which sample goes where."""

    drafts: Path
    records: tuple[DraftRecord, ...]
    url: str
    count: int
    seed: int

    @property
    def plan(self) -> Plan:
        """The same in every process; made once in each."""
        return _plan(self)


@lru_cache(maxsize=1)
def _plan(packing: Packing) -> Plan:
    return plan(packing.drafts, packing.records, SPLIT, packing.count, packing.seed)


def pack_one(packing: Packing, number: int) -> ShardRecord:
    """Write one shard; in a worker process."""
    return pack_shard(packing.plan, number, Store(packing.url))


def commit_set(
    recipe: Recipe, run: Run, options: SetOptions, packing: Packing, shards: Sequence[ShardRecord]
) -> dict[str, object]:
    """Write manifests, what describes the set, and its index; in a worker process."""
    store = Store(options.url)
    about = _about(recipe, run)
    digests = {stage: run.record(stage).digest for stage in participants(recipe, options.attacked[0])}
    if attacked := options.attacked[1]:
        digests[attacked] = sha256_of(run.path(attacked))
    more = {"seed": recipe.seed, "round": options.round, "made_by": digests}
    finished = finish(packing.plan, shards, store, about, more)
    manifests = [manifest.name for manifest in finished.manifests]
    return {
        "samples": finished.facts["samples"],
        "digest": finished.facts["digest"],
        "candidates": funnel_of(store, manifests),
        "bands": bands_of(store, manifests),
        "files": [*finished.sidecars, *manifests],
    }


def _about(recipe: Recipe, run: Run) -> About:
    if recipe.events.epsilon:
        pairs = open_pairs(run.path(SOURCE))
        return About.of_forms(recipe.called, pairs.summary.class_names, pairs.forms())
    summary = taken(run.folder).summary
    return About(recipe.called, summary.class_names, {"image": summary.shape})
