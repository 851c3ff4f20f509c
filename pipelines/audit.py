"""Flow: attack a model, train nothing, and write what breaks it and what to do next."""

from pathlib import Path

from data.runs import Run, StageRecord
from generators.options import Norm
from pipelines.orchestration.flows import run_flow
from pipelines.orchestration.tasks import stage_task
from pipelines.recipes import DEFAULT, DEFAULT_RUN, FromPreset, Recipe
from pipelines.train_model import fit_model
from pipelines.training import stages as run_stages
from pipelines.training.audit import stages, summary
from pipelines.training.session import session


@stage_task("source")
def read_source(recipe: Recipe, run: Run) -> StageRecord:
    """Take the samples in, of any size and number: nothing is trained on them."""
    return run_stages.taken_in(recipe, run, anew=not stages.trained_here(recipe, run))


@stage_task("clean")
def look(recipe: Recipe, run: Run) -> StageRecord:
    """What the model says of the samples as they are."""
    return stages.look(recipe, run)


@stage_task("{norm}-{name}")
def attack(recipe: Recipe, run: Run, norm: Norm, name: str) -> StageRecord:
    """Run one attack on every sample."""
    return stages.attack(recipe, run, norm, name)


@stage_task("{norm}-suite")
def attack_survivors(recipe: Recipe, run: Run, norm: Norm) -> StageRecord:
    """Run the suite on what all attacks left standing."""
    return stages.survivors(recipe, run, norm)


@stage_task("corruptions")
def corrupt(recipe: Recipe, run: Run) -> StageRecord:
    """Measure accuracy under common corruptions."""
    return stages.corruptions(recipe, run)


@stage_task("masking")
def look_for_masking(recipe: Recipe, run: Run) -> StageRecord:
    """See whether the model hides its errors from attacks."""
    return stages.masking(recipe, run)


@stage_task("latent-search")
def search_latents(recipe: Recipe, run: Run, folder: Path) -> StageRecord:
    """Search among a generator's samples."""
    return stages.search(recipe, run, folder)


@stage_task("page")
def write_page(recipe: Recipe, run: Run) -> Path:
    """Write audit.json and audit.html."""
    return summary.write(recipe, run)


@run_flow
def audit(recipe: FromPreset = DEFAULT, run: Path = DEFAULT_RUN) -> Path:
    """Attack the model that the recipe brings, or that the run has trained.

    Args:
        recipe: a preset by name, and fields that differ from it.
        run: the run's folder.

    Returns:
        The path of audit.json; audit.html lies beside it.

    Raises:
        WrongUse: there is no model, or no sample to attack it on.
    """
    with session(recipe, run) as opened:
        read_source(recipe, opened)
        if recipe.model.path:
            fit_model(recipe, opened)
        stages.must_be_ready(recipe, opened)
        look(recipe, opened)
        _attack_every_way(recipe, opened)
        return write_page(recipe, opened)


def _attack_every_way(recipe: Recipe, run: Run) -> None:
    norms, generator = stages.norms_of(recipe.audit), stages.generator_of(recipe, run)
    alone = {
        norm: [attack.submit(recipe, run, norm, name) for name in stages.attacks_of(recipe, run, norm)]
        for norm in norms
    }
    rest = [corrupt.submit(recipe, run)] if recipe.audit.corruptions else []
    rest += [look_for_masking.submit(recipe, run)] if recipe.audit.masking else []
    rest += [search_latents.submit(recipe, run, generator)] if generator else []
    for norm, under_way in alone.items():
        for future in under_way:
            future.result()
        rest.append(attack_survivors.submit(recipe, run, norm))
    for future in rest:
        future.result()
