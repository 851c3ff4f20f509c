"""Loads who takes part in a round of events, from a run's folder: the pairs, the classifier, the judges."""

from dataclasses import replace
from pathlib import Path

from data.errors import WrongUse
from data.forms import Form
from data.pairing import Pairs, open_pairs
from data.records import Batch
from data.sources import Part, SourceOptions
from data.taken import must_suffice
from generators.crossmodal import Bench
from generators.margins import Model
from pipelines.recipes import Recipe
from pipelines.training.events.places import judge_file
from pipelines.training.models.fusion import FusionShape, load_fusion
from pipelines.training.places import SOURCE


def pairs_of(run: Path) -> Pairs:
    """The pairs that the run took in from its source."""
    return open_pairs(run / SOURCE)


def events(run: Path, part: Part, options: SourceOptions) -> Batch:
    """One part of the run's events."""
    return pairs_of(run).batch(part, options)


def must_do(recipe: Recipe, run: Path) -> None:
    """Check that the run's pairs suffice, and that the recipe has a radius for each modality of theirs and no other.

    Raises:
        WrongUse: they do not, or it has not.
    """
    summary = pairs_of(run).summary
    must_suffice(summary, recipe.source.labelled)
    if set(summary.sides) != set(recipe.events.epsilon):
        held, named = (", ".join(sorted(names)) for names in (summary.sides, recipe.events.epsilon))
        raise WrongUse(f"the pairs hold {held}, and events.epsilon has a radius for {named}: it takes one for each")


def paired_anew(options: SourceOptions, number: int) -> SourceOptions:
    """The same source, whose members of one class meet others in each round."""
    return replace(options, pair_seed=options.pair_seed + number)


def shape_of(recipe: Recipe, run: Path) -> FusionShape:
    """The shape of the run's classifier of events."""
    pairs, options = pairs_of(run), recipe.events
    sized = (options.features, options.hidden, options.gate, options.quiet)
    return FusionShape(pairs.forms(), len(pairs.summary.class_names), *sized)


def alone(shape: FusionShape, name: str) -> FusionShape:
    """The shape of a classifier of that modality alone."""
    form: Form = shape.forms[name]
    return replace(shape, forms={name: form}, gate=False)


def benches_of(recipe: Recipe, run: Path) -> dict[str, Bench]:
    """Modality -> its judges.

    Raises:
        Damaged: one of them is unreadable.
    """
    return {
        name: Bench([_of_x(run / judge_file(name, fold), name) for fold in range(recipe.judges.folds)])
        for name in recipe.events.modalities
    }


def _of_x(path: Path, name: str) -> Model:
    model = load_fusion(path)
    return lambda x: model({name: x})
