"""Flow: the whole run, from real samples to a hardened model and a report that says whether it paid."""

from pathlib import Path

from pipelines.build_shards import build_shards
from pipelines.evaluate import evaluate
from pipelines.orchestration.flows import run_flow
from pipelines.recipes import DEFAULT, DEFAULT_RUN, FromPreset
from pipelines.rounds import compare_rounds, rounds
from pipelines.train_generator import train_generator
from pipelines.train_model import read_source, train_model
from pipelines.train_robust import train_robust
from pipelines.training.evaluation.robustness import must_be_comparable
from pipelines.training.session import session


@run_flow
def augment(recipe: FromPreset = DEFAULT, run: Path = DEFAULT_RUN, seeds: int = 1) -> Path:
    """Run everything; what is finished in the run's folder is not done again.

    Args:
        recipe: a preset by name, and fields that differ from it.
        run: the run's folder.
        seeds: how many classifiers of each arm are trained and attacked.

    Returns:
        The path of report.json.
    """
    with session(recipe, run) as opened:
        read_source(recipe, opened)
        must_be_comparable(opened.folder, recipe.evaluation.part)
        train_model(recipe, run)
        train_generator(recipe, run)
        build_shards(recipe, run)
        if recipe.rounds.count:
            rounds(recipe, run)
            compare_rounds(recipe, run)
        train_robust(recipe, run, seeds)
        return evaluate(recipe, run, seeds)


@run_flow
def build(recipe: FromPreset = DEFAULT, run: Path = DEFAULT_RUN) -> None:
    """Run as far as the shards: no comparison, no test sample read.

    Args:
        recipe: a preset by name, and fields that differ from it.
        run: the run's folder.
    """
    with session(recipe, run):
        train_model(recipe, run)
        train_generator(recipe, run)
        build_shards(recipe, run)
        if recipe.rounds.count:
            rounds(recipe, run)
