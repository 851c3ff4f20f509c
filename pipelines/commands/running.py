"""run, uplift, scarcity, build, audit, adapt, synthesise, plan and recipes: commands on a recipe."""

import argparse
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from data.errors import WrongUse
from pipelines.commands.parsing import Asked, overrides
from pipelines.recipes import Recipe, overridden, preset

USUAL = {"adapt": "rendered_to_digits", "synthesise": "spoken_mnist"}
"""Command -> the preset that it takes if none is named; of any other it is `digits`."""

# Imports stand inside functions where they bring torch or prefect: a plan or a wrong option should not wait for them.


def do(asked: Asked) -> int:
    """Do it; returns the exit code."""
    words = asked.words
    if getattr(words, "seeds", 1) < 1:
        raise WrongUse(f"--seeds must be >= 1, got {words.seeds}")
    usual = USUAL.get(asked.command, "digits")
    recipe = overridden(preset(words.what or usual), overrides(asked))
    if asked.command == "scarcity":
        _must_make_a_curve(asked, recipe)
    folder = words.run or Path("runs") / _named(asked.command, recipe)
    if asked.command == "recipes":
        from pipelines.training.pages.terminal import show_recipes

        show_recipes(recipe, as_json=words.json)
    elif asked.command == "plan":
        _plan(words, recipe, folder)
    else:
        _work(asked, recipe, folder)
    return 0


def _work(asked: Asked, recipe: Recipe, folder: Path) -> None:
    from data.sources import beside, source_of
    from data.store import INDEX, Store
    from pipelines.training.models.locating import must_exist

    if recipe.events.epsilon and asked.command not in ("run", "build", "synthesise"):
        raise WrongUse(f"hardshard {asked.command} is for images; of pairs there are run, build, synthesise and plan")
    source_of(recipe.source)  # a source or a model that is not there fails before any work
    if recipe.source.unlabelled.name:
        beside(recipe.source)
    if asked.command == "adapt":
        source_of(recipe.adapt.target)
    must_exist(recipe.model)
    if recipe.shards.url:
        Store(recipe.shards.url).has(INDEX)  # as does a store of an unknown kind, or without keys
    said = "%s, recipe %s, into %s"
    logging.getLogger("pipelines").info(said, asked.command, recipe.name, folder)
    _WORK[asked.command](asked.words, recipe, folder)


def _run(words: argparse.Namespace, recipe: Recipe, folder: Path) -> None:
    from pipelines.augment import augment
    from pipelines.training.events import pages as of_pairs
    from pipelines.training.pages import terminal

    show = of_pairs.show_report if recipe.events.epsilon else terminal.show_report
    _show(augment(recipe, folder, words.seeds), words, show)


def _uplift(words: argparse.Namespace, recipe: Recipe, folder: Path) -> None:
    from pipelines.training.pages.terminal import show_report
    from pipelines.uplift import uplift

    _show(uplift(recipe, folder, words.seeds), words, show_report)


def _scarcity(words: argparse.Namespace, recipe: Recipe, folder: Path) -> None:
    from pipelines.scarcity import scarcity
    from pipelines.training.pages.scarcity import show_scarcity

    _show(scarcity(recipe, folder, words.labels, words.seeds), words, show_scarcity)


def _must_make_a_curve(asked: Asked, recipe: Recipe) -> None:
    from pipelines.training.scarcity import must_make_a_curve

    if "source.labelled" in overrides(asked):
        raise WrongUse("hardshard scarcity takes the numbers of labels by --labels, not by --source.labelled")
    must_make_a_curve(asked.words.labels, recipe.model.path)


def _audit(words: argparse.Namespace, recipe: Recipe, folder: Path) -> None:
    from pipelines.audit import audit
    from pipelines.training.audit.terminal import show_audit

    _show(audit(recipe, folder), words, show_audit)


def _adapt(words: argparse.Namespace, recipe: Recipe, folder: Path) -> None:
    from pipelines.adapt import adapt
    from pipelines.training.pages.terminal import show_adaptation

    _show(adapt(recipe, folder), words, show_adaptation)


def _synthesise(words: argparse.Namespace, recipe: Recipe, folder: Path) -> None:
    from pipelines.training.synthesis.stages import must_be_possible

    must_be_possible(recipe)  # before Prefect's server starts
    from pipelines.synthesise import synthesise
    from pipelines.training.synthesis.pages import show_report

    _show(synthesise(recipe, folder), words, show_report)


def _build(words: argparse.Namespace, recipe: Recipe, folder: Path) -> None:
    from data.runs import Run
    from pipelines.augment import build
    from pipelines.training.arms import SHARDS, set_url
    from pipelines.training.events import pages as of_pairs
    from pipelines.training.pages.terminal import show_build

    build(recipe, folder)
    if recipe.events.epsilon:
        of_pairs.show_build(recipe, Run(folder), as_json=words.json)
        return
    show_build(recipe, Run(folder), set_url(recipe, folder, SHARDS), as_json=words.json)


_WORK: Mapping[str, Callable[[argparse.Namespace, Recipe, Path], None]] = {
    "run": _run,
    "uplift": _uplift,
    "scarcity": _scarcity,
    "audit": _audit,
    "adapt": _adapt,
    "synthesise": _synthesise,
    "build": _build,
}


def _show(path: Path, words: argparse.Namespace, show: Callable[[Path], None]) -> None:
    """The figures themselves for a script, what they come to for people."""
    if words.json:
        print(path.read_text(), end="")
    else:
        show(path)


def _plan(words: argparse.Namespace, recipe: Recipe, folder: Path) -> None:
    from data.sources import beside, source_of
    from pipelines.training.models.locating import must_exist
    from pipelines.training.pages.planned import show_plan
    from pipelines.training.planning import plan_of

    if recipe.source.path:
        source_of(recipe.source)
    if recipe.source.unlabelled.name:
        beside(recipe.source)
    must_exist(recipe.model)
    if words.probe:
        from pipelines.probe import probe

        probe(recipe, folder)
    title = f"plan of hardshard {words.to}, recipe {recipe.name}, in {folder}"
    show_plan(plan_of(recipe, folder, words.to, words.seeds), title, as_json=words.json)


def _named(command: str, recipe: Recipe) -> str:
    """Name of the folder of a run: the recipe's; but curves, and audits of a model that was brought, touch no other."""
    if command == "scarcity":
        return f"{recipe.called}-scarcity"
    model = recipe.model.path
    return f"audit-{Path(model).stem.replace(':', '-')}" if command == "audit" and model else recipe.called
