"""Flow: rounds of attacking the newest model and training on what was found, with no attack in the trainer's loop."""

from pathlib import Path

from data.runs import Run, StageRecord
from pipelines.orchestration.flows import run_flow
from pipelines.orchestration.tasks import stage_task
from pipelines.recipes import DEFAULT, DEFAULT_RUN, FromPreset, Recipe
from pipelines.training.events import stages as events
from pipelines.training.rounds import stages
from pipelines.training.session import session


@stage_task("judge-{name}-{fold}")
def train_judge(recipe: Recipe, run: Run, name: str, fold: int) -> StageRecord:
    """Train one judge of one modality of events, on all folds but its own."""
    return events.judge(recipe, run, name, fold)


@stage_task("round-0")
def train_first(recipe: Recipe, run: Run) -> StageRecord:
    """Train plainly on the real samples."""
    return stages.first_model(recipe, run)


@stage_task("round-{number}")
def do_round(recipe: Recipe, run: Run, number: int) -> bool:
    """Attack the model of the round before, train on what was found; says whether attack success has stalled."""
    stages.round_set(recipe, run, number)
    stages.round_model(recipe, run, number)
    return stages.stalled(recipe, run, number)


@stage_task("{name}")
def train_rival(recipe: Recipe, run: Run, name: str) -> StageRecord:
    """Train what the rounds are compared with."""
    return stages.rival(recipe, run, name)


@stage_task("accuracy of the rounds")
def measure(recipe: Recipe, run: Run) -> None:
    """Attack the last round's model and its rivals; try every round's shard on the last model."""
    stages.accuracies(recipe, run)
    stages.staleness(recipe, run)


@run_flow
def rounds(recipe: FromPreset = DEFAULT, run: Path = DEFAULT_RUN) -> None:
    """Make the rounds; the generator and the judges must be in the run's folder, of pairs the source alone.

    Args:
        recipe: a preset by name, and fields that differ from it; `rounds.count` says how many.
        run: the run's folder.
    """
    with session(recipe, run) as opened:
        train_judges(recipe, opened)
        train_first(recipe, opened)
        for number in range(1, recipe.rounds.count + 1):
            if do_round(recipe, opened, number):
                break


def train_judges(recipe: Recipe, run: Run) -> None:
    """Train the judges of each modality side by side; a run on images has its own by now."""
    folds = range(recipe.judges.folds)
    under_way = [train_judge.submit(recipe, run, name, fold) for name in recipe.events.modalities for fold in folds]
    for future in under_way:
        future.result()


@run_flow
def compare_rounds(recipe: FromPreset = DEFAULT, run: Path = DEFAULT_RUN) -> None:
    """Measure the last round's model beside training with the attack in the loop, and plain training.

    Args:
        recipe: a preset by name, and fields that differ from it.
        run: the run's folder, with its rounds finished.
    """
    with session(recipe, run) as opened:
        under_way = [train_rival.submit(recipe, opened, name) for name in (stages.IN_LOOP, stages.PLAIN)]
        for future in under_way:
            future.result()
        measure(recipe, opened)
