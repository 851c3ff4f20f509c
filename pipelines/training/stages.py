"""The stages of a run: what each depends on, which files it leaves, and who does the work.

A stage whose record matches is not done again; a changed option or input redoes what depends on it, nothing else.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import cache, partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

from data.errors import WrongUse
from data.intake_files import PIXELS, QUARANTINE, SAMPLES, SUMMARY
from data.runs import Facts, Run, StageRecord
from data.sources import Side, fingerprint_of, side_of
from pipelines.recipes import Recipe
from pipelines.training.arms import ARMS, SHARDS, set_url
from pipelines.training.late import Late
from pipelines.training.mixes import MixOptions
from pipelines.training.models.locating import digest_of_model, files_of, is_brought
from pipelines.training.places import EXAMINER, GENERATOR, MODEL, SOURCE, UNLABELLED, judge_file
from pipelines.training.processes import in_worker

if TYPE_CHECKING:
    from pipelines.training import participants, work
    from pipelines.training.evaluation import robustness
    from pipelines.training.events import participants as of_events
else:  # torch is for those who work, see pipelines/training/late.py
    work = Late("pipelines.training.work")
    participants = Late("pipelines.training.participants")
    robustness = Late("pipelines.training.evaluation.robustness")
    of_events = Late("pipelines.training.events.participants")

SOURCE_FILES = [f"{SOURCE}/{name}" for name in (PIXELS, SAMPLES, QUARANTINE, SUMMARY)]


def source(recipe: Recipe, run: Run) -> StageRecord:
    """The good samples of the source, enough of them to train on.

    Raises:
        WrongUse: they do not suffice, or their size suits no network.
    """
    record = taken_in(recipe, run)
    unlabelled(recipe, run)
    if recipe.events.epsilon:
        of_events.must_do(recipe, run.folder)
    else:
        participants.must_do(run.folder, recipe.source, unlabelled=recipe.takes_unlabelled)
    return record


def taken_in(recipe: Recipe, run: Run, *, anew: bool = True) -> StageRecord:
    """The good samples of the source; read again when a file of it changes, or, where `anew` is False, refused.

    Raises:
        WrongUse: they are not as they were, and something depends on that.
    """
    alone = replace(recipe.source, unlabelled=Side())
    options = {name: value for name, value in asdict(alone).items() if name not in ("labelled", "unlabelled")}
    depends = {**options, "files": fingerprint_of(alone), "hardshard": version("hardshard")}
    read = partial(in_worker, work.read_source, recipe, run.folder) if anew else partial(_refuse, run)
    return run.stage("source", depends, _source_files, read)


def _source_files(facts: Facts) -> Sequence[str]:
    """Of pairs, those of both sides."""
    return cast(Sequence[str], facts.get("files", SOURCE_FILES))


def unlabelled(recipe: Recipe, run: Run) -> StageRecord | None:
    """The good samples of the source beside, if there is one; read again when a file of it or our own change."""
    if not recipe.source.unlabelled.name:
        return None
    depends = {**depends_on(recipe, run, "source"), **asdict(side_of(recipe.source, recipe.source.unlabelled))}
    depends["files"] = fingerprint_of(side_of(recipe.source, recipe.source.unlabelled))
    files = [name.replace(SOURCE, UNLABELLED, 1) for name in SOURCE_FILES]
    return run.stage(UNLABELLED, depends, files, partial(in_worker, work.take_unlabelled, recipe, run.folder))


def _refuse(run: Run) -> tuple[Facts, float]:
    raise WrongUse(
        f"the model of {run.folder} was trained on other samples than these options give, which may test it on what it "
        "has seen: repeat the --source options of that run, or run it again"
    )


def model(recipe: Recipe, run: Run) -> StageRecord:
    """The classifier to harden: the user's, or one trained adversarially on the real samples alone."""
    if recipe.model.path:
        depends = {**depends_on(recipe, run, "source"), "model": digest_of_model(recipe.model)}
        bring = partial(in_worker, work.bring_model, recipe, run.folder)
        return run.stage("model", depends, files_of(recipe.model), bring)
    depends = depends_on(recipe, run, "source", "training")
    fit = partial(in_worker, work.fit_model, recipe, run.folder)  # which forgets what was brought
    return run.stage("model", depends, [MODEL], fit, common=not is_brought(run.folder))


def gan(recipe: Recipe, run: Run) -> StageRecord:
    """The class-conditional GAN."""
    depends = depends_on(recipe, run, "source", "generator")
    fit = partial(in_worker, work.fit_gan, recipe, run.folder)
    return run.stage("generator", depends, [GENERATOR], fit, common=True)


def judge(recipe: Recipe, run: Run, fold: int) -> StageRecord:
    """The judge that leaves out one fold of the training samples."""
    depends = {**depends_on(recipe, run, "source", "judges"), "fold": fold}
    todo = partial(in_worker, work.fit_one_judge, recipe, run.folder, fold)
    return run.stage(f"judge-{fold}", depends, [judge_file(fold)], todo, common=True)


def examiner(recipe: Recipe, run: Run) -> StageRecord:
    """The outsider that measures labels and never filters."""
    depends = depends_on(recipe, run, "source", "judges")
    fit = partial(in_worker, work.fit_the_examiner, recipe, run.folder)
    return run.stage("examiner", depends, [EXAMINER], fit, common=True)


def fidelity(recipe: Recipe, run: Run) -> StageRecord:
    """What the examiner sees of the generator."""
    depends = {**depends_on(recipe, run, "source"), **made_by(run, ["generator", "examiner"])}
    measure = partial(in_worker, work.measure_fidelity, recipe, run.folder)
    return run.stage("fidelity", depends, [], measure, common=True)


def arm(recipe: Recipe, run: Run, name: str, seed: int) -> StageRecord:
    """A classifier trained as one arm of the comparison, from one seed."""
    folder, out = ARMS[name].folder, f"arms/{name}-{seed}.safetensors"
    made_from = [folder] if folder else []  # the stage of a set has its folder's name
    depends = {**depends_on(recipe, run, "source", "training"), **made_by(run, made_from), "arm": name, "seed": seed}
    pool = set_url(recipe, run.folder, folder) if folder else ""
    mixing = recipe.mixing if folder == SHARDS and recipe.mixing != MixOptions() else None
    if mixing:
        depends["mixing"] = asdict(mixing)
    todo = partial(in_worker, work.fit_arm, recipe, run.folder, pool, seed, out, mixing)
    return run.stage(f"arm-{name}-{seed}", depends, [out], todo)


def accuracy(recipe: Recipe, run: Run, name: str, seed: int) -> StageRecord:
    """Clean and robust accuracy of one arm's classifier; transfer is tried from the judges and the examiner."""
    return accuracy_of(recipe, run, f"arm-{name}-{seed}", f"arms/{name}-{seed}.safetensors")


def accuracy_of(recipe: Recipe, run: Run, stage: str, path: str) -> StageRecord:
    """Clean and robust accuracy of the classifier that a stage left in a file of the run."""
    name = stage.removeprefix("arm-")
    apart = [*(f"judge-{fold}" for fold in range(recipe.judges.folds)), "examiner"]
    depends = {**depends_on(recipe, run, "source", "evaluation"), **made_by(run, [stage, *apart])}
    surrogates = [f"{other}.safetensors" for other in apart]

    def measure() -> tuple[Facts, float]:
        found, seconds = in_worker(
            robustness.judge_robustness,
            run.folder,
            path,
            surrogates,
            recipe.source,
            recipe.evaluation,
            f"attack {name}",
        )
        return asdict(found), seconds

    return run.stage(f"accuracy-{name}", depends, [], measure)


def brought_accuracy(recipe: Recipe, run: Run) -> StageRecord:
    """Clean accuracy of the user's model on the samples that the arms are measured on."""
    depends = {**depends_on(recipe, run, "source", "evaluation"), **made_by(run, ["model"])}
    return run.stage("accuracy-brought", depends, [], partial(in_worker, work.judge_brought, recipe, run.folder))


def depends_on(recipe: Recipe, run: Run, *parts: str) -> dict[str, object]:
    """What every stage depends on, and these parts of the recipe."""
    common: dict[str, object] = {"seed": recipe.seed, "hardshard": version("hardshard"), "torch": torch_build()}
    if "source" in parts:
        common["samples"] = run.record("source").facts["division"]  # wherever they come from
    return common | {part: _options(recipe, part) for part in parts}


def _options(recipe: Recipe, part: str) -> dict[str, object]:
    options = asdict(getattr(recipe, part))
    return {name: options[name] for name in ("labelled", "split_seed")} if part == "source" else options


@cache
def torch_build() -> str:
    """As `torch.__version__` has it, with the build after a plus; torch itself is not imported for it."""
    found = find_spec("torch")
    told = Path(found.origin).with_name("version.py").read_text() if found and found.origin else ""
    spelled = re.search(r"__version__ = '([^']+)'", told)
    return spelled[1] if spelled else version("torch")


def made_by(run: Run, stages: Sequence[str]) -> dict[str, dict[str, str]]:
    """What a stage depends on that takes the outputs of these."""
    return {"inputs": {stage: run.record(stage).digest for stage in stages}}
