"""The stages of a run on events that a run on images does not have: judges of each modality, drafts, accuracy."""

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

from data.draft_files import draft_files
from data.runs import Facts, Run, StageRecord
from pipelines.recipes import Recipe
from pipelines.training.drafting import DRAFTS, SPLIT, preview_file
from pipelines.training.events.places import judge_file, judge_stage
from pipelines.training.late import Late
from pipelines.training.processes import in_worker
from pipelines.training.sets import SetOptions, participants
from pipelines.training.stages import depends_on, made_by

if TYPE_CHECKING:
    from pipelines.training.events import drafting, fitting, measuring
else:  # torch is for those who work, see pipelines/training/late.py
    drafting = Late("pipelines.training.events.drafting")
    fitting = Late("pipelines.training.events.fitting")
    measuring = Late("pipelines.training.events.measuring")

MADE_BY = ("epsilon", "reach", "shift", "judged", "seen", "wordnet")
"""Options that say what is made and kept."""
MEASURED_BY = ("samples", "steps", "restarts")
"""Options that say how it is measured; the others are the trainer's."""


def judge(recipe: Recipe, run: Run, name: str, fold: int) -> StageRecord:
    """The judge of one modality that leaves out one fold of its members."""
    fit = {"fit": asdict(recipe.rounds.fit), "folds": recipe.judges.folds, "warm": recipe.events.warm}
    sized = _of(recipe, "features", "hidden", "quiet", "shift")
    depends = {**depends_on(recipe, run, "source"), **fit, **sized, "modality": name, "fold": fold}
    work = partial(in_worker, fitting.fit_judge, recipe, run.folder, name, fold)
    return run.stage(judge_stage(name, fold), depends, [judge_file(name, fold)], work)


def draft(recipe: Recipe, run: Run, options: SetOptions, number: int) -> StageRecord:
    """One draft of a round: attacks on one modality at a time, and what the judges say."""
    attacked, file = options.attacked
    depends = {**depends_on(recipe, run, "source"), **made_by(run, participants(recipe, attacked))}
    depends |= {"set": options.folder, "number": number, "candidates": recipe.rounds.candidates}
    depends |= {"search": asdict(recipe.rounds.search), **_of(recipe, *MADE_BY)}
    outputs = [f"{DRAFTS}/{options.folder}/{name}" for name in draft_files(SPLIT, number)]
    outputs.append(preview_file(options.folder, number))

    def build() -> tuple[Facts, float]:
        record, seconds = in_worker(drafting.build_draft, recipe, run.folder, file, options.folder, number)
        return asdict(record), seconds

    return run.stage(f"{options.folder}/draft-{number}", depends, outputs, build)


def accuracy(recipe: Recipe, run: Run, stage: str, path: str) -> StageRecord:
    """Accuracy by modality of the classifier that a stage left in a file of the run."""
    depends = {**depends_on(recipe, run, "source"), **made_by(run, [stage]), "part": recipe.evaluation.part}
    depends |= _of(recipe, "epsilon", "wordnet", *MEASURED_BY)
    work = partial(in_worker, measuring.measure, recipe, run.folder, path)
    return run.stage(f"accuracy-{stage}", depends, [], work)


def trainer_of(recipe: Recipe) -> dict[str, object]:
    """What a training on events depends on besides the rounds' options; nothing of one on images."""
    if not recipe.events.epsilon:
        return {}
    apart = {*MEASURED_BY, "judged", "seen"}
    return {"events": {name: value for name, value in asdict(recipe.events).items() if name not in apart}}


def _of(recipe: Recipe, *names: str) -> dict[str, object]:
    return {"events": {name: getattr(recipe.events, name) for name in names}}
