"""The arms of the comparison: what a user would do instead, by the same trainer for the same number of steps."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.recipes import Recipe


@dataclass(frozen=True)
class Arm:
    """One way to train.

    Attributes:
        name: as reports show it.
        search: the control search that makes its synthetic samples, or the empty string.
        folder: its shard set within the run, or the empty string for none.
    """

    name: str
    search: str = ""
    folder: str = ""


SHARDS = "shards"
"""Folder of the run's own shard set."""

OURS = "real + ours"
BASELINE = "real only"

ARMS = {
    "real": Arm(BASELINE),
    "repeat": Arm("real + soft labels", "repeat", "controls/repeat"),
    "shift": Arm("real + shift, soft", "shift", "controls/shift"),
    "mixup": Arm("real + pixel mixup, soft", "mixup", "controls/mixup"),
    "gaussian": Arm("real + Gaussians, soft", "gaussian", "controls/gaussian"),
    "random": Arm("real + random GAN, soft", "random_latent", "controls/random_latent"),
    "unlabelled": Arm("real + unlabelled, soft", "unlabelled", "controls/unlabelled"),
    "ours": Arm(OURS, folder=SHARDS),
}
"""Short name, as files and tasks carry it -> arm. All soft labels come from the same judges."""


def arms_of(recipe: Recipe) -> Mapping[str, Arm]:
    """The arms of a recipe's comparison; samples that nobody labelled are one where its own shards draw on them."""
    left_out = () if recipe.search.takes_unlabelled else ("unlabelled",)
    return {short: arm for short, arm in ARMS.items() if short not in left_out}


def names_among(found: Collection[str]) -> list[str]:
    """Those of some names that are arms', in the order of the arms."""
    return [arm.name for arm in ARMS.values() if arm.name in found]


def set_url(recipe: Recipe, run: Path, folder: str) -> str:
    """Where a set of a run lies: in the run's folder, but for its own set where the recipe says otherwise."""
    return recipe.shards.url.rstrip("/") if folder == SHARDS and recipe.shards.url else str(run / folder)
