"""The target domain: taken in without its labels, and apart from that, for the report alone, with them."""

from dataclasses import asdict, replace
from pathlib import Path

from data.errors import WrongUse
from data.intake import take_in
from data.records import Batch
from data.sources import Part, source_of, without_labels
from data.taken import Taken, open_taken
from pipelines.recipes import Recipe
from pipelines.training.participants import taken
from pipelines.training.progress import report

TARGET = "target"
"""Folder of the target's samples within the run; their labels are not in it."""
MEASURED = "target-labelled"
"""Folder of the target's samples and labels; only what measures opens it."""


def take_target(recipe: Recipe, run: Path, *, labelled: bool) -> dict[str, object]:
    """Take the target in, without its labels or, for the report, with them.

    Raises:
        WrongUse: its images have another shape than the source's, or its classes other names.
    """
    options, folder = recipe.adapt.target, MEASURED if labelled else TARGET
    source = source_of(options)
    found = source if labelled else without_labels(source)
    summary = take_in(found, options, run / folder, lambda done: report(folder, done, done + 1))
    report(folder, summary.read, summary.read)
    ours = taken(run).summary
    if list(summary.shape) != list(ours.shape):
        raise WrongUse(
            f"the target's images are {tuple(summary.shape)}, the source's {tuple(ours.shape)}: set source.size and "
            "adapt.target.size, or channels, so that they agree"
        )
    if labelled and list(summary.class_names) != list(ours.class_names):
        raise WrongUse(
            f"the target's classes are {', '.join(summary.class_names)}, the source's {', '.join(ours.class_names)}: "
            "adapt.measured none measures nothing"
        )
    return asdict(summary)


def target_samples(recipe: Recipe, run: Path, part: Part) -> Batch:
    """A part of the target, without labels: they are all 0."""
    return _all_of(open_taken(run / TARGET), recipe, part)


def measured_samples(recipe: Recipe, run: Path, part: Part) -> Batch:
    """A part of the target with its labels, to measure with."""
    return _all_of(open_taken(run / MEASURED), recipe, part)


def _all_of(found: Taken, recipe: Recipe, part: Part) -> Batch:
    return found.batch(part, replace(recipe.adapt.target, labelled=0))
