"""Flow: generator and model -> candidates -> verdicts -> drafts -> even shards and manifest."""

from pathlib import Path

from data.claims import claim
from data.runs import Facts, Run, StageRecord
from data.store import Store
from pipelines.orchestration.artifacts import progress_of, show_set
from pipelines.orchestration.flows import run_flow
from pipelines.orchestration.tasks import stage_task
from pipelines.recipes import DEFAULT, DEFAULT_RUN, FromPreset, Recipe
from pipelines.training import sets
from pipelines.training.drafting import AUTO
from pipelines.training.session import session
from pipelines.training.sets import SetOptions


@stage_task("thresholds")
def choose_thresholds(recipe: Recipe, run: Run) -> StageRecord:
    """Choose the thresholds that the recipe leaves open, for the label error it states."""
    return sets.thresholds(recipe, run)


@stage_task("probe")
def try_some(recipe: Recipe, run: Run) -> StageRecord:
    """Try a few candidates of each search and class, for the budget to be spent where most are kept."""
    return sets.probe(recipe, run)


@stage_task("draft-{number}")
def build_draft(recipe: Recipe, run: Run, options: SetOptions, number: int) -> StageRecord:
    """Search and check one part of the candidates."""
    return sets.draft(recipe, run, options, number)


@stage_task("shard-{number}")
def pack_shard(recipe: Recipe, run: Run, options: SetOptions, number: int, drafts: Facts) -> StageRecord:
    """Write one shard from the kept samples of all drafts."""
    return sets.shard(recipe, run, options, number, drafts)


@stage_task("index")
def commit_set(recipe: Recipe, run: Run, options: SetOptions) -> StageRecord:
    """Write the set's index, which makes the shards a set."""
    return sets.index(recipe, run, options)


def prepare_set(recipe: Recipe, run: Run) -> SetOptions:
    """What the run's own set is to be, once thresholds and the use of a budget are chosen."""
    if AUTO in recipe.checks.values():
        choose_thresholds(recipe, run)
    if recipe.budget.given:
        try_some(recipe, run)
    return sets.budgeted_set(recipe, run)


def build_set(recipe: Recipe, run: Run, options: SetOptions) -> StageRecord:
    """Make one set: its drafts side by side, then its shards, then its index.

    Where other machines make drafts as well, which begin at the first, this one begins at the last.
    """
    numbers = options.drafts[::-1] if run.exchange else options.drafts
    advance = progress_of(run, options.folder, len(options.drafts) + options.count)
    drafts = [build_draft.submit(recipe, run, options, number) for number in numbers]
    for draft in drafts:
        draft.result()
        advance()
    finished = sets.drafts_of(run, options)
    shards = [pack_shard.submit(recipe, run, options, number, finished) for number in range(options.count)]
    for shard in shards:
        shard.result()
        advance()
    return commit_set(recipe, run, options)


@run_flow
def build_shards(recipe: FromPreset = DEFAULT, run: Path = DEFAULT_RUN) -> None:
    """Make the shards of hard samples; the model, the generator and the judges must be in the run's folder.

    Args:
        recipe: a preset by name, and fields that differ from it.
        run: the run's folder.
    """
    with session(recipe, run) as opened:
        options = prepare_set(recipe, opened)
        with claim(Store(options.url), f"the run in {opened.folder}"):
            build_set(recipe, opened, options)
        show_set(recipe, opened)
