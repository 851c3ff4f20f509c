"""Flow: pairs -> more pairs: from one latent, from one of the two, or transformed together; checked, and measured."""

from pathlib import Path

from data.runs import Run, StageRecord
from pipelines.orchestration.flows import run_flow
from pipelines.orchestration.tasks import stage_task
from pipelines.recipes import FromPreset, Recipe, preset
from pipelines.rounds import train_first, train_judges
from pipelines.train_model import read_source
from pipelines.training.session import session
from pipelines.training.synthesis import pages, stages

SYNTHESISE = preset("spoken_mnist")


@stage_task("encoder-{name}")
def train_encoder(recipe: Recipe, run: Run, name: str) -> StageRecord:
    """Train the encoder of a modality that another is made from."""
    return stages.encoder(recipe, run, name)


@stage_task("examiner-{name}")
def train_examiner(recipe: Recipe, run: Run, name: str) -> StageRecord:
    """Train who measures a modality and filters nothing."""
    return stages.examiner(recipe, run, name)


@stage_task("generator-{way}")
def train_gan(recipe: Recipe, run: Run, way: str) -> StageRecord:
    """Train the generator of a way, from its last checkpoint if there is one."""
    return stages.gan(recipe, run, way)


@stage_task("draft-{way}")
def make_draft(recipe: Recipe, run: Run, way: str) -> StageRecord:
    """Make and check the candidates of a way."""
    return stages.draft(recipe, run, way)


@stage_task("shard-{place}")
def pack_shard(recipe: Recipe, run: Run, place: int) -> StageRecord:
    """Write one shard from what is kept of all ways."""
    return stages.shard(recipe, run, place)


@stage_task("index")
def commit_set(recipe: Recipe, run: Run) -> StageRecord:
    """Write the set's index."""
    return stages.index(recipe, run)


@stage_task("figures-{way}")
def measure(recipe: Recipe, run: Run, way: str) -> StageRecord:
    """Ask the examiners about one way's events."""
    return stages.figures(recipe, run, way)


@stage_task("report")
def write_report(recipe: Recipe, run: Run) -> Path:
    """Write synthesis.json."""
    return pages.write(recipe, run)


@run_flow
def synthesise(recipe: FromPreset = SYNTHESISE, run: Path = Path("runs/spoken_mnist")) -> Path:
    """Make pairs up, keep those whose parts belong together, and say how often they do.

    Args:
        recipe: a preset by name, and fields that differ from it; `synthesis.ways` says how and how many.
        run: the run's folder; what is finished there is not done again, judges of a run on the same pairs neither.

    Returns:
        The path of synthesis.json.

    Raises:
        WrongUse: the recipe is not of pairs, or has no way that they can be made.
    """
    stages.must_be_possible(recipe)
    with session(recipe, run) as opened:
        read_source(recipe, opened)
        train_judges(recipe, opened)
        if recipe.synthesis.walked:
            train_first(recipe, opened)
        encoders = [train_encoder.submit(recipe, opened, name) for name in stages.encoders(recipe)]
        examiners = [train_examiner.submit(recipe, opened, name) for name in recipe.events.modalities]
        for future in encoders:
            future.result()
        gans = [train_gan.submit(recipe, opened, way) for way in recipe.synthesis.generated]
        for future in (*examiners, *gans):
            future.result()
        make_set(recipe, opened)
        under_way = [measure.submit(recipe, opened, way) for way in recipe.synthesis.asked]
        for future in under_way:
            future.result()
        return write_report(recipe, opened)


def make_set(recipe: Recipe, run: Run) -> None:
    """Drafts side by side, then shards, then the index."""
    drafts = [make_draft.submit(recipe, run, way) for way in recipe.synthesis.asked]
    for draft in drafts:
        draft.result()
    shards = [pack_shard.submit(recipe, run, place) for place in range(recipe.synthesis.shards)]
    for shard in shards:
        shard.result()
    commit_set(recipe, run)
