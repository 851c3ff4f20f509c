"""The stages of an audit: one an attack and norm, so that a killed audit goes on where it was, attack by attack."""

from dataclasses import asdict
from functools import partial
from pathlib import Path

from data.errors import WrongUse
from data.files import sha256_of
from data.runs import Run, StageRecord
from generators.options import Norm
from pipelines.recipes import Recipe
from pipelines.training.audit import attacking, latent
from pipelines.training.audit.attacking import Task
from pipelines.training.audit.options import AuditOptions
from pipelines.training.models.locating import is_brought
from pipelines.training.participants import taken
from pipelines.training.places import GENERATOR, MODEL
from pipelines.training.processes import in_worker
from pipelines.training.stages import depends_on, made_by

FOLDER, SUITE, DRAWN = "audit", "suite", "audit/latent.npz"
L2_ALONE = ("cw",)
"""Attacks that know no other norm."""


def norms_of(options: AuditOptions) -> list[Norm]:
    """The norms that an audit tries; figures about the model as a whole come from the first."""
    both: list[Norm] = ["linf", "l2"]
    return [norm for norm in both if options.norms in ("both", norm)]


def attacks_of(recipe: Recipe, run: Run, norm: Norm) -> list[str]:
    """The attacks that are run on every sample in a norm; DLR needs three classes."""
    two = len(taken(run.folder).summary.class_names) < 3
    unfit = {*(L2_ALONE if norm == "linf" else ()), *(("apgd_dlr",) if two else ())}
    return [name for name in recipe.audit.attacks if name not in unfit]


def trained_here(recipe: Recipe, run: Run) -> bool:
    """Whether the model is one that the run has trained: then its test samples must stay those it has not seen."""
    return not recipe.model.path and run.path(MODEL).is_file() and not is_brought(run.folder)


def must_be_ready(recipe: Recipe, run: Run) -> None:
    """Check before any attack that there is a model, and samples to attack it on.

    Raises:
        WrongUse: there is none.
    """
    if not run.path("stages/model.json").is_file():
        raise WrongUse(f"{run.folder} has no model: bring one with --model m.pt2, or train one with `hardshard build`")
    kept = taken(run.folder).summary.kept
    if not any(kept[recipe.audit.part].values()):
        raise WrongUse(f"the {recipe.audit.part} part of the source has no sample: see source.test_share or audit.part")
    if sum(kept["train"].values()) < 2:
        raise WrongUse("the train part of the source has no two samples, from which transfer attacks start")
    generator_of(recipe, run)


def look(recipe: Recipe, run: Run) -> StageRecord:
    """Clean answers, of the samples that will be attacked."""
    return run.stage("audit/clean", _depends(recipe, run), [], partial(in_worker, attacking.look, task_of(recipe, run)))


def attack(recipe: Recipe, run: Run, norm: Norm, name: str) -> StageRecord:
    """One attack in one norm, on every sample."""
    task, out = task_of(recipe, run, norm), found_by(norm, name)
    depends = {**_depends(recipe, run), **_within(task), "attack": name, "steps": recipe.audit.steps}
    return run.stage(_stage(norm, name), depends, [out], partial(in_worker, attacking.attack_alone, task, name, out))


def survivors(recipe: Recipe, run: Run, norm: Norm) -> StageRecord:
    """The suite, on what all attacks left standing."""
    task, out = task_of(recipe, run, norm), found_by(norm, SUITE)
    names = attacks_of(recipe, run, norm)
    depends = {**_depends(recipe, run), **_within(task), **made_by(run, [_stage(norm, name) for name in names])}
    depends |= {"suite": recipe.audit.suite}
    files, state = [found_by(norm, name) for name in names], f"{FOLDER}/{norm}-suite.state"
    work = partial(in_worker, attacking.attack_survivors, task, files, state, out)
    return run.stage(_stage(norm, SUITE), depends, [out], work)


def corruptions(recipe: Recipe, run: Run) -> StageRecord:
    """Accuracy under common corruptions."""
    work = partial(in_worker, attacking.corrupt, task_of(recipe, run))
    return run.stage("audit/corruptions", _depends(recipe, run), [], work)


def masking(recipe: Recipe, run: Run) -> StageRecord:
    """Whether the model hides its errors, in the norm that conclusions are about."""
    task = task_of(recipe, run, norms_of(recipe.audit)[0])
    depends = {**_depends(recipe, run), "norm": task.norm, "epsilon": task.epsilon}
    return run.stage("audit/masking", depends, [], partial(in_worker, attacking.look_for_masking, task))


def search(recipe: Recipe, run: Run, folder: Path) -> StageRecord:
    """What samples do to the model of the generator that lies in a run's folder."""
    task, generator = task_of(recipe, run), folder / GENERATOR
    depends = {**_depends(recipe, run), "generator": sha256_of(generator), "search": asdict(recipe.search)}
    depends |= {"candidates": recipe.audit.candidates}
    work = partial(in_worker, latent.search_latents, task, generator, recipe.search, DRAWN)
    return run.stage("audit/latent", depends, [DRAWN], work)


def generator_of(recipe: Recipe, run: Run) -> Path | None:
    """The run whose generator is asked for samples: the one named, or this one if it has trained one.

    Raises:
        WrongUse: the one named has none.
    """
    folder = Path(recipe.audit.generator or run.folder)
    if (folder / GENERATOR).is_file():
        return folder
    if recipe.audit.generator:
        raise WrongUse(f"{folder} has no {GENERATOR}: --audit.generator takes the folder of a run that trained one")
    return None


def names_of(recipe: Recipe, run: Run) -> list[str]:
    """Every stage of the audit, in order."""
    tried = [(norm, name) for norm in norms_of(recipe.audit) for name in [*attacks_of(recipe, run, norm), SUITE]]
    asked = {"corruptions": recipe.audit.corruptions, "masking": recipe.audit.masking}
    asked["latent"] = generator_of(recipe, run) is not None
    more = [f"{FOLDER}/{name}" for name, wanted in asked.items() if wanted]
    return [f"{FOLDER}/clean", *(_stage(norm, name) for norm, name in tried), *more]


def record(run: Run, norm: Norm, attack: str) -> StageRecord:
    """The record of a finished attack."""
    return run.record(_stage(norm, attack))


def found_by(norm: Norm, attack: str) -> str:
    """Where an attack's finds lie within the run."""
    return f"{FOLDER}/{norm}-{attack}.npz"


def _stage(norm: Norm, attack: str) -> str:
    return f"audit/{norm}-{attack}"


def task_of(recipe: Recipe, run: Run, norm: Norm = "linf") -> Task:
    """What a worker is told, with the norm's own radius."""
    shape = taken(run.folder).summary.shape
    radius = recipe.audit.radius(norm, recipe.evaluation.epsilon, shape)
    return Task(run.folder, recipe.source, recipe.audit, recipe.seed, norm, radius)


def _depends(recipe: Recipe, run: Run) -> dict[str, object]:
    which = {"part": recipe.audit.part, "samples": recipe.audit.samples}
    return {**depends_on(recipe, run, "source"), **made_by(run, ["model"]), **which}


def _within(task: Task) -> dict[str, object]:
    return {"norm": task.norm, "epsilon": task.epsilon, "radii": task.radii}
