"""The stages of a synthesis: encoders, examiners, a generator a way, drafts, shards, the set's commit, figures."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, cast

from data.draft_files import draft_files
from data.errors import WrongUse
from data.runs import Facts, Run, StageRecord
from data.sidecars import ShardRecord
from data.store import INDEX
from pipelines.recipes import Recipe
from pipelines.training import sets
from pipelines.training.drafting import DRAFTS, SPLIT
from pipelines.training.events.places import judge_stages
from pipelines.training.late import Late
from pipelines.training.processes import in_worker
from pipelines.training.rounds import stages as rounds
from pipelines.training.sets import SetOptions
from pipelines.training.stages import depends_on, made_by
from pipelines.training.synthesis.options import CROSS, PAIRED, SYNCHRONISED, WALK, given_by_way, made_by_way
from pipelines.training.synthesis.places import ATTACKED, SET, encoder_stage, examiner_stage, file_of, gan_stage

if TYPE_CHECKING:
    from pipelines.training.synthesis import committing, fitting, making, measuring
else:  # torch is for those who work, see pipelines/training/late.py
    committing = Late("pipelines.training.synthesis.committing")
    fitting = Late("pipelines.training.synthesis.fitting")
    making = Late("pipelines.training.synthesis.making")
    measuring = Late("pipelines.training.synthesis.measuring")

MADE_OF = ("image", "features")
"""Modalities of which there is a generator; generators/paired_networks.py."""


def must_be_possible(recipe: Recipe) -> None:
    """Check that the recipe's pairs can be made on the ways that it asks for.

    Raises:
        WrongUse: it is not of pairs, asks for nothing, or for a modality that it has not or that has no generator.
    """
    names, ways = recipe.events.modalities, recipe.synthesis.asked
    if not names or not ways:
        raise WrongUse(f"recipe {recipe.called} makes no pairs: synthesis takes a source of pairs and synthesis.ways")
    known = {PAIRED, SYNCHRONISED, *(f"{way}{name}" for way in (CROSS, WALK) for name in names)}
    if unknown := sorted({*ways} - known):
        raise WrongUse(
            f"synthesis.ways has {', '.join(unknown)}, and of these pairs there are {', '.join(sorted(known))}"
        )
    made = {name for way in ways for name in made_by_way(way, names)}
    if without := sorted(made - {*MADE_OF}):
        raise WrongUse(f"no generator of {', '.join(without)}: there is one of {', '.join(MADE_OF)}")


def encoders(recipe: Recipe) -> list[str]:
    """The modalities that condition a generator of another."""
    names = recipe.events.modalities
    return sorted({given_by_way(way, names) for way in recipe.synthesis.asked} - {""})


def encoder(recipe: Recipe, run: Run, name: str) -> StageRecord:
    """The encoder of one modality."""
    stage = encoder_stage(name)
    work = partial(in_worker, fitting.fit_encoder, recipe, run.folder, name)
    return run.stage(stage, {**_trained(recipe, run), "modality": name}, [file_of(stage)], work)


def examiner(recipe: Recipe, run: Run, name: str) -> StageRecord:
    """The outsider of one modality, who measures and never filters."""
    stage = examiner_stage(name)
    work = partial(in_worker, fitting.fit_examiner, recipe, run.folder, name, file_of(stage))
    return run.stage(stage, {**_trained(recipe, run), "modality": name}, [file_of(stage)], work)


def gan(recipe: Recipe, run: Run, way: str) -> StageRecord:
    """The generator of one way."""
    stage, given = gan_stage(way), given_by_way(way, recipe.events.modalities)
    inputs = made_by(run, [encoder_stage(given)] if given else [])
    depends = {**depends_on(recipe, run, "source"), **inputs, "way": way, "gan": asdict(recipe.synthesis.gan)}
    work = partial(in_worker, fitting.fit_gan, recipe, run.folder, way)
    return run.stage(stage, depends, [file_of(stage)], work)


def draft(recipe: Recipe, run: Run, way: str) -> StageRecord:
    """The candidates of one way, checked."""
    options, number = recipe.synthesis, recipe.synthesis.asked.index(way)
    judged = {"agreed": options.agreed, "made": options.agreed_on(way), "apart": options.apart}
    depends = {**depends_on(recipe, run, "source"), **made_by(run, _makers(recipe, way)), **judged}
    depends |= {"way": way, "number": number, "candidates": options.ways[way]}
    depends |= {"sync": asdict(options.sync)} if way == SYNCHRONISED else {}
    depends |= _walk_of(recipe, way)
    outputs = [f"{DRAFTS}/{SET}/{name}" for name in draft_files(SPLIT, number)]

    def make() -> tuple[Facts, float]:
        record, seconds = in_worker(making.make_draft, recipe, run.folder, way, number)
        return asdict(record), seconds

    return run.stage(f"{SET}/draft-{number}", depends, outputs, make)


def _makers(recipe: Recipe, way: str) -> list[str]:
    """The stages whose networks take part in making a candidate."""
    given = given_by_way(way, recipe.events.modalities)
    own = [] if way == SYNCHRONISED else [gan_stage(way), *([encoder_stage(given)] if given else [])]
    own += [ATTACKED] if way.startswith(WALK) else []
    return [*judge_stages(recipe.events.modalities, recipe.judges.folds), *own]


def _walk_of(recipe: Recipe, way: str) -> dict[str, object]:
    """What a latent walk depends on besides."""
    return {"walk": asdict(recipe.synthesis.walk)} if way.startswith(WALK) else {}


def set_of(recipe: Recipe, run: Run) -> SetOptions:
    """What the set is made of: a draft a way."""
    options = recipe.synthesis
    return SetOptions(SET, str(run.path(SET)), len(options.asked), 0, options.shards, {}, {})


def shard(recipe: Recipe, run: Run, place: int) -> StageRecord:
    """One shard, from the drafts of all ways."""
    options = set_of(recipe, run)
    return sets.shard(recipe, run, options, place, sets.drafts_of(run, options))


def index(recipe: Recipe, run: Run) -> StageRecord:
    """The commit of the set, and what became of its candidates."""
    options = set_of(recipe, run)
    shards = [run.record(f"{SET}/shard-{place}") for place in range(options.count)]
    depends = {**depends_on(recipe, run), **sets.drafts_of(run, options)}
    depends |= {"shards": [dict(stage.facts) for stage in shards]}

    def files(facts: Facts) -> list[str]:
        return sets.within_run(run, options, [INDEX, *cast(Sequence[str], facts["files"])])

    makers = dict.fromkeys(stage for way in recipe.synthesis.asked for stage in _makers(recipe, way))
    made: Mapping[str, str] = {stage: run.record(stage).digest for stage in makers}

    def commit() -> tuple[Facts, float]:
        records = [ShardRecord(**stage.facts) for stage in shards]  # type: ignore[arg-type]
        packing = sets.packing_of(recipe, run, options)
        return in_worker(committing.commit_set, recipe, run.folder, packing, records, made)

    return run.stage(SET, depends, files, commit)


def figures(recipe: Recipe, run: Run, way: str) -> StageRecord:
    """What the examiners say of one way's events."""
    examiners = [examiner_stage(name) for name in recipe.events.modalities]
    makers = [stage for stage in _makers(recipe, way) if stage.startswith((SET, ATTACKED))]
    depends = {**_trained(recipe, run), **made_by(run, [SET, *examiners, *makers]), "way": way}
    depends |= _walk_of(recipe, way)
    depends |= {"part": recipe.evaluation.part, "measured": recipe.synthesis.measured}
    work = partial(in_worker, measuring.measure, recipe, run.folder, way)
    return run.stage(f"{SET}-figures-{way}", depends, [], work)


def everything(recipe: Recipe, run: Run) -> None:
    """All of these stages one after the other, the judges being there."""
    if recipe.synthesis.walked:
        rounds.first_model(recipe, run)
    for name in recipe.events.modalities:
        examiner(recipe, run, name)
    for name in encoders(recipe):
        encoder(recipe, run, name)
    for way in recipe.synthesis.generated:
        gan(recipe, run, way)
    for way in recipe.synthesis.asked:
        draft(recipe, run, way)
    for place in range(recipe.synthesis.shards):
        shard(recipe, run, place)
    index(recipe, run)
    for way in recipe.synthesis.asked:
        figures(recipe, run, way)


def _trained(recipe: Recipe, run: Run) -> dict[str, object]:
    """What a plain training of one modality depends on."""
    sized = {name: getattr(recipe.events, name) for name in ("features", "hidden", "quiet", "shift", "warm")}
    return {**depends_on(recipe, run, "source"), "fit": asdict(recipe.rounds.fit), "events": sized}
