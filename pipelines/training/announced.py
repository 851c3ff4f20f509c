"""What the world is told of a new shard set, and the check that a trainer makes of what it was told."""

from dataclasses import asdict

from data.errors import WrongUse
from data.runs import Run
from data.shards import read_index
from data.store import INDEX, Store
from pipelines.recipes import Recipe
from pipelines.training.arms import SHARDS, set_url
from pipelines.training.naming import dataset_of, slug

ANNOUNCED = "announced"
"""The stage that remembers which set was announced last."""


def asset_of(recipe: Recipe, run: Run) -> str:
    """The set's name among Prefect's assets; each new content is a materialization of it."""
    return f"hardshard://{dataset_of(recipe)}/{slug(run.folder.name)}"


def facts_of(recipe: Recipe, run: Run) -> dict[str, object]:
    """What an announcement says: where the manifest of the set lies, its digest, how much there is, what made it."""
    url = set_url(recipe, run.folder, SHARDS)
    found = read_index(Store(url))
    return {
        "manifest": f"{url}/{INDEX}",
        "digest": found.facts["digest"],
        "samples": found.facts["samples"],
        "attempted": found.facts["attempted"],
        "shards": len(found.shards),
        "recipe": asdict(recipe),
        "run": str(run.folder),
    }


def must_be_as_announced(recipe: Recipe, run: Run, manifest: str, digest: str) -> None:
    """Refuse a shard set other than the one announced.

    Args:
        manifest: the path or URL of the set's index.json.
        digest: what it says of itself; it covers every file of the set.

    Raises:
        Damaged: there is no such set, or its index was altered.
        WrongUse: it is not this run's, or it is another one by now.
    """
    mine = f"{set_url(recipe, run.folder, SHARDS)}/{INDEX}"
    if manifest != mine:
        raise WrongUse(f"manifest {manifest} was given, but the set of {run.folder} is {mine}")
    found = read_index(Store(manifest.removesuffix(f"/{INDEX}"))).facts["digest"]
    if found != digest:
        raise WrongUse(f"{manifest} has digest {found}, not {digest} as announced: the set was made anew since")
