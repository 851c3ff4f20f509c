"""Whole runs on the same samples that differ in nothing but how many of these are labelled."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from data.errors import WrongUse
from data.sources import SourceOptions
from pipelines.recipes import Recipe


def must_make_a_curve(labels: Sequence[int], brought: str = "") -> None:
    """Check before any work that there is more than one number of labels, each once, and a model for each.

    Args:
        labels: the numbers of labels.
        brought: path of a model of the user's, if the recipe names one.

    Raises:
        WrongUse: it is not so.
    """
    if brought:
        raise WrongUse(
            f"a curve over labels trains a model with each number of them, and model.path names one, {brought}, that "
            "has trained already: leave it out, or compare on it with hardshard uplift"
        )
    said = " ".join(map(str, labels)) or "none"
    if len(labels) < 2 or len({*labels}) < len(labels):
        raise WrongUse(f"--labels takes two numbers or more, none twice, as --labels 100 300, got {said}")
    if min(labels) < 1:
        raise WrongUse(f"--labels takes numbers of labelled samples, 1 or more, got {said}")


def most_labelled(counts: Sequence[int]) -> int:
    """How many labelled samples a training part holds that are spread evenly over its classes, as `data.taken` does.

    Args:
        counts: training samples of each class, in the order of the classes; the first ones get what is left over.
    """
    fewest = min(counts)
    return fewest * len(counts) + [*counts].index(fewest)


def must_be_held(labels: Sequence[int], counts: Mapping[str, int], source: SourceOptions) -> None:
    """Check that the training part holds as many labelled samples as the largest number asks for.

    Args:
        labels: the numbers of labels.
        counts: class -> its training samples.
        source: says how the parts were drawn.

    Raises:
        WrongUse: it holds fewer, or a number leaves a class without a sample.
    """
    if too_few := [number for number in labels if number < len(counts)]:
        raise WrongUse(
            f"--labels {' '.join(map(str, too_few))}: there are {len(counts)} classes, and each needs one labelled "
            "sample at least"
        )
    most = most_labelled([*counts.values()])
    if too_many := [number for number in labels if number > most]:
        rarest = min(counts, key=lambda name: counts[name])
        raise WrongUse(
            f"--labels {' '.join(map(str, too_many))}: the training part holds {sum(counts.values())} samples, and "
            f"evenly over its {len(counts)} classes {most} (of class {rarest!r} there are {counts[rarest]}); a smaller "
            f"--source.validation_share (now {source.validation_share:g}) or --source.test_share "
            f"(now {source.test_share:g}) leaves it more, where the source names no parts itself"
        )


def recipe_of(recipe: Recipe, labels: int) -> Recipe:
    """The recipe with so many labelled samples; at a URL its shards lie in a folder of their own."""
    url = f"{recipe.shards.url.rstrip('/')}/{name_of(labels)}" if recipe.shards.url else ""
    source, shards = replace(recipe.source, labelled=labels), replace(recipe.shards, url=url)
    return replace(recipe, source=source, shards=shards)


def folder_of(run: Path, labels: int) -> Path:
    """Where the run with so many labelled samples lies."""
    return run / name_of(labels)


def name_of(labels: int) -> str:
    """What the run with so many labelled samples is called."""
    return f"labels-{labels}"
