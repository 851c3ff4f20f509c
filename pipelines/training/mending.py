"""Repairs a shard set: from the run that made it, which loses nothing, or from what is left of it."""

import hashlib
from pathlib import Path

from data.claims import claim
from data.draft_files import DraftRecord
from data.errors import WrongUse
from data.packing import About, Plan, counted, joined, place_manifests, plan
from data.repair import Repair, history, move_aside, repair
from data.runs import Run, hold
from data.shards import altered_index, commit, write_shard
from data.sidecars import ShardRecord
from data.store import Store
from pipelines.training.arms import SHARDS
from pipelines.training.drafting import DRAFTS


def mend(url: str, run: Path | None) -> Repair:
    """Mend the set at `url`, from the drafts of the run that made it, or without.

    Args:
        url: the set's folder.
        run: the run's folder; without it, the one that the set lies in, if it has the set's drafts.

    Raises:
        Damaged: too much is gone; see `repair`.
        WrongUse: the run did not make this set, or somebody is writing there.
    """
    store = Store(url)
    run = run or _run_around(store)
    with claim(store, f"repair of {url}"):
        if run is None:
            return repair(store)
        with hold(run):
            return _remade(store, Run(run))


def _run_around(store: Store) -> Path | None:
    around = store.folder.parents if store.folder else ()
    runs = (folder for folder in around if (folder / "run.json").is_file())
    return next((folder for folder in runs if (folder / DRAFTS / _set_within(store, folder)).is_dir()), None)


def _set_within(store: Store, run: Path) -> str:
    """A set's name within its run; a set that lies elsewhere is the run's own, which alone may."""
    folder = store.folder and store.folder.resolve()
    return folder.relative_to(run.resolve()).as_posix() if folder and folder.is_relative_to(run.resolve()) else SHARDS


def _remade(store: Store, run: Run) -> Repair:
    """Every shard dealt again from the drafts: the same bytes as before the damage."""
    found = altered_index(store)
    split, seed, first = str(found.facts["split"]), int(str(found.facts["seed"])), int(str(found.facts.get("round", 0)))
    name = _set_within(store, run.folder)
    records = [
        DraftRecord(**run.record(f"{name}/draft-{first + number}").facts)  # type: ignore[arg-type]
        for number in range(len(found.manifests))
    ]
    dealt = plan(run.path(f"{DRAFTS}/{name}"), records, split, len(found.shards), seed)
    moved = move_aside(found)
    shards = [_again(dealt, number, shard, store) for number, shard in enumerate(found.shards)]
    manifests = place_manifests(dealt, store)
    facts = counted(store, split, About.of(found), shards, manifests)
    return Repair(moved, [], commit(store, facts, history(found), manifests, replace=True))


def _again(dealt: Plan, number: int, shard: ShardRecord, store: Store) -> ShardRecord:
    packed = joined(dealt, number)
    if hashlib.sha256(packed.content).hexdigest() != shard.sha256:
        raise WrongUse(f"{dealt.drafts} holds other drafts than {store.where(shard.tar)} was made of")
    return write_shard(store, shard.tar, packed)
