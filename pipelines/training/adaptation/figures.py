"""The report of an adaptation: accuracy by round beside the controls, what was refused and why, pictures."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import jinja2
import numpy as np

from data.files import canonical_json, write_atomically
from data.runs import Run
from pipelines.recipes import Recipe
from pipelines.training.adaptation import measuring, stages
from pipelines.training.adaptation.stages import ADAPTED, ARMS, NEAR, SELF
from pipelines.training.evaluation.statistics import Flags, accuracy, difference, spread


def write(recipe: Recipe, run: Run) -> Path:
    """Write report.json and report.html; returns the path of the former.

    Raises:
        WrongUse: a stage is not finished.
    """
    figures = figures_of(recipe, run)
    loader = jinja2.PackageLoader("pipelines.training.pages", "templates")
    template = jinja2.Environment(loader=loader, autoescape=True).get_template("adapt.html")
    pictures = [_data_uri(run.path(name)) for name in (measuring.GRID_A, measuring.GRID_B)]
    html = template.render(figures=figures, pictures=pictures, spread=spread)
    write_atomically(run.path("report.html"), html.encode())
    path = run.path("report.json")
    write_atomically(path, canonical_json(figures))
    return path


def figures_of(recipe: Recipe, run: Run) -> dict[str, Any]:
    """All that the report says, as JSON."""
    counted = recipe.adapt.measured != "none"
    arms: dict[str, list[dict[str, Any]]] = {name: [] for name in ARMS.values()}
    for arm, number in stages.measured(recipe) if counted else ():
        arms[ARMS[arm]].append(_accuracy(recipe, run, arm, number))
    own = [(arm, number) for arm in stages.ROUNDED for number in stages.rounds_of(recipe, arm)]
    return {
        "recipe": recipe.name,
        "seed": recipe.seed,
        "source": run.record("source").facts,
        "target": run.record("target").facts,
        "measured": recipe.adapt.measured,
        "warm_up": recipe.adapt.warm_up,
        "soft": recipe.adapt.soft,
        "arms": arms,
        "gains": _gains(recipe, run) if counted else {},
        "sets": [_set(recipe, run, arm, number) for arm, number in own],
        "there_and_back": run.record("pictures").facts,
        "shards": str(run.path(stages.set_of(ADAPTED, recipe.adapt.rounds))),
        "models": [f"{stage}.safetensors" for stage in stages.members(recipe, ADAPTED, recipe.adapt.rounds)],
        "seconds": _seconds(recipe, run),
        "said": _said(recipe, arms) if counted else "The target has no labels: nothing was measured.",
    }


def flags_of(run: Run, arm: str, number: int) -> Flags:
    """Where each classifier of a round is right on the measured part, bool (members, N)."""
    told = cast(Sequence[str], run.record(f"accuracy-{arm}-{number}").facts["members"])
    return np.array([[right == "1" for right in flags] for flags in told])


def _accuracy(recipe: Recipe, run: Run, arm: str, number: int) -> dict[str, Any]:
    together = str(run.record(f"accuracy-{arm}-{number}").facts["together"])
    found = accuracy(np.array([right == "1" for right in together]))
    return {
        "round": number,
        "members": [round(100 * float(flags.mean()), 2) for flags in flags_of(run, arm, number)],
        "together": {name: round(value, 2) for name, value in vars(found).items()},
        "samples": len(together),
    }


def _gains(recipe: Recipe, run: Run) -> dict[str, dict[str, float]]:
    """Of the last rounds: one arm minus another, in points."""
    last = recipe.adapt.rounds
    found = {
        f"{ARMS[one]} minus {ARMS[other]}": difference(flags_of(run, one, last), flags_of(run, other, last))
        for one, other in ((NEAR, SELF), (ADAPTED, SELF), (ADAPTED, NEAR))
    }
    return {name: {key: round(value, 2) for key, value in vars(gain).items()} for name, gain in found.items()}


def _set(recipe: Recipe, run: Run, arm: str, number: int) -> dict[str, Any]:
    facts = run.record(stages.set_of(arm, number)).facts
    right = {} if recipe.adapt.measured == "none" else dict(run.record(f"pseudo-labels-{arm}-{number}").facts)
    return {"arm": ARMS[arm], "round": number, "candidates": facts["candidates"], "pseudo_labels": right}


def _seconds(recipe: Recipe, run: Run) -> dict[str, float]:
    """Seconds of one core's work that the translation and each arm's classifiers took."""
    found = {"translation": run.record("translation").seconds}
    for arm, number in stages.measured(recipe):
        took = sum(run.record(stage).seconds for stage in stages.members(recipe, arm, number))
        found[ARMS[arm]] = round(found.get(ARMS[arm], 0.0) + took, 1)
    return found


def _said(recipe: Recipe, arms: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    last = {name: f"{np.mean(rounds[-1]['members']):.1f} %" for name, rounds in arms.items()}
    return (
        f"On the target's {recipe.adapt.measured} part, without one of its labels: source only "
        f"{last[ARMS[stages.SOURCE_ONLY]]}, with strong augmentation {last[ARMS[stages.AUGMENTED]]}, confident "
        f"self-training {last[ARMS[SELF]]}, with labels spread {last[ARMS[NEAR]]}, with translation, too, "
        f"{last[ARMS[ADAPTED]]}; with its labels {last[ARMS[stages.LABELLED]]} "
        f"(means of {recipe.adapt.members} classifiers, one seed of everything before them)."
    )


def _data_uri(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
