"""Flow: labelled samples of one domain, unlabelled ones of another -> a model that works in the other."""

from pathlib import Path

from data.runs import Run, StageRecord
from pipelines.orchestration.flows import run_flow
from pipelines.orchestration.tasks import stage_task
from pipelines.recipes import FromPreset, Recipe, preset
from pipelines.train_model import read_source
from pipelines.training.adaptation import figures, stages
from pipelines.training.session import session

ADAPT = preset("rendered_to_digits")


@stage_task("target")
def read_target(recipe: Recipe, run: Run) -> StageRecord:
    """Take the target in, its labels dropped."""
    return stages.target(recipe, run)


@stage_task("{arm}-{number}-member-{place}")
def fit_member(recipe: Recipe, run: Run, arm: str, number: int, place: int) -> StageRecord:
    """Train one classifier of a round."""
    return stages.member(recipe, run, arm, number, place)


@stage_task("translation")
def fit_translation(recipe: Recipe, run: Run) -> StageRecord:
    """Train CycleGAN both ways, from its last checkpoint if there is one."""
    return stages.translation(recipe, run)


@stage_task("{arm}-{number}-draft-{kind}")
def make_draft(recipe: Recipe, run: Run, arm: str, number: int, kind: int) -> StageRecord:
    """Make and check target samples: with pseudo-labels, or translated."""
    return stages.draft(recipe, run, arm, number, kind)


@stage_task("{arm}-{number}-shard-{place}")
def pack_shard(recipe: Recipe, run: Run, arm: str, number: int, place: int) -> StageRecord:
    """Write one shard from the kept samples of a round's drafts."""
    return stages.shard(recipe, run, arm, number, place)


@stage_task("{arm}-{number}-index")
def commit_set(recipe: Recipe, run: Run, arm: str, number: int) -> StageRecord:
    """Write the index of a round's set."""
    return stages.index(recipe, run, arm, number)


@stage_task("target-labelled")
def read_labelled_target(recipe: Recipe, run: Run) -> StageRecord:
    """Take the target in with its labels; but for the upper bound, nothing is trained after this."""
    return stages.labelled_target(recipe, run)


@stage_task("labelled-member-{place}")
def fit_labelled(recipe: Recipe, run: Run, place: int) -> StageRecord:
    """Train one classifier with the target's labels, for comparison."""
    return stages.labelled_member(recipe, run, place)


@stage_task("measure")
def measure(recipe: Recipe, run: Run) -> None:
    """Measure every arm and round on the target's measured part."""
    for arm, number in stages.measured(recipe):
        stages.accuracy(recipe, run, arm, number)
        if number in stages.rounds_of(recipe, arm):
            stages.pseudo_labels(recipe, run, arm, number)


@stage_task("report")
def write_report(recipe: Recipe, run: Run) -> Path:
    """Write report.json and report.html."""
    stages.pictures(recipe, run)
    return figures.write(recipe, run)


def fit_members(recipe: Recipe, run: Run, arm: str, number: int) -> None:
    """Train the classifiers of a round side by side."""
    under_way = [fit_member.submit(recipe, run, arm, number, place) for place in range(recipe.adapt.members)]
    for future in under_way:
        future.result()


def do_round(recipe: Recipe, run: Run, arm: str, number: int) -> None:
    """Make a round's set, and train on it."""
    drafts = [make_draft.submit(recipe, run, arm, number, kind) for kind in stages.kinds_of(arm)]
    for draft in drafts:
        draft.result()
    shards = [pack_shard.submit(recipe, run, arm, number, place) for place in range(recipe.adapt.shards)]
    for shard in shards:
        shard.result()
    commit_set(recipe, run, arm, number)
    fit_members(recipe, run, arm, number)


@run_flow
def adapt(recipe: FromPreset = ADAPT, run: Path = Path("runs/rendered_to_digits")) -> Path:
    """Adapt, round by round, and compare with the source alone, self-training alone and the target's labels.

    Args:
        recipe: a preset by name, and fields that differ from it; `source` has labels, `adapt.target` needs none.
        run: the run's folder; what is finished there is not done again.

    Returns:
        The path of report.json; report.html lies beside it.

    Raises:
        WrongUse: the domains' images have different shapes, or a part of either is empty.
    """
    with session(recipe, run) as opened:
        read_source(recipe, opened)
        read_target(recipe, opened)
        for arm in (stages.SOURCE_ONLY, stages.AUGMENTED):
            fit_members(recipe, opened, arm, 0)
        for arm in (stages.SELF, stages.NEAR):
            for number in stages.rounds_of(recipe, arm):
                do_round(recipe, opened, arm, number)
        fit_translation(recipe, opened)
        for number in stages.rounds_of(recipe, stages.ADAPTED):
            do_round(recipe, opened, stages.ADAPTED, number)
        if recipe.adapt.measured != "none":
            read_labelled_target(recipe, opened)
            bound = [fit_labelled.submit(recipe, opened, place) for place in range(recipe.adapt.members)]
            for future in bound:
                future.result()
            measure(recipe, opened)
        return write_report(recipe, opened)
