"""What a run is called where several are listed: its dataset, its round, its model."""

import re
from pathlib import Path

from data.errors import WrongUse
from data.runs import Run
from pipelines.recipes import Recipe
from pipelines.training.rounds import stages as rounds


def name_of(recipe: Recipe, run: Run) -> str:
    """As digits-round-0-model-3f2a91c0; `model-new` where none is trained yet."""
    return f"{dataset_of(recipe)}-round-{_round(recipe, run)}-model-{_model(run)}"


def dataset_of(recipe: Recipe) -> str:
    """The source's name, and the last part of its path where it has one; lower case letters, digits and dashes."""
    parts = [recipe.source.name, Path(recipe.source.path).name if recipe.source.path else ""]
    return slug("-".join(part for part in parts if part))


def slug(text: str) -> str:
    """Lower case letters, digits and dashes."""
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-") or "run"


def _model(run: Run) -> str:
    try:
        return run.record("model").digest[:8]
    except WrongUse:
        return "new"


def _round(recipe: Recipe, run: Run) -> int:
    try:
        return rounds.last_round(recipe, run) if recipe.rounds.count else 0
    except WrongUse:
        return 0
