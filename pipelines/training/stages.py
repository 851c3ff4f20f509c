"""The stages of a run: what each depends on, which files it leaves, and who does the work.

A stage whose record matches is not done again; a changed option or input redoes what depends on it, nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch

from data.runs import Facts, Run, StageRecord
from data.shards import INDEX, ShardRecord, write_index
from pipelines.recipes import Recipe
from pipelines.training import work
from pipelines.training.arms import ARMS, SHARDS
from pipelines.training.funnel import examine, funnel_of
from pipelines.training.materialise import SPLIT, ShardRequest, build_shard, preview_file
from pipelines.training.participants import EXAMINER, GENERATOR, MODEL, judge_file, samples, shape_of
from pipelines.training.processes import in_worker
from pipelines.training.referee import judge_robustness


def model(recipe: Recipe, run: Run) -> StageRecord:
    """The classifier to harden, trained adversarially on the real samples alone."""
    depends = _from(recipe, "source", "training")
    return run.stage("model", depends, [MODEL], partial(in_worker, work.fit_model, recipe, run.folder))


def gan(recipe: Recipe, run: Run) -> StageRecord:
    """The class-conditional GAN."""
    depends = _from(recipe, "source", "generator")
    return run.stage("generator", depends, [GENERATOR], partial(in_worker, work.fit_gan, recipe, run.folder))


def judge(recipe: Recipe, run: Run, fold: int) -> StageRecord:
    """The judge that leaves out one fold of the training samples."""
    depends = {**_from(recipe, "source", "judges"), "fold": fold}
    todo = partial(in_worker, work.fit_one_judge, recipe, run.folder, fold)
    return run.stage(f"judge-{fold}", depends, [judge_file(fold)], todo)


def examiner(recipe: Recipe, run: Run) -> StageRecord:
    """The outsider that measures labels and never filters."""
    depends = _from(recipe, "source", "judges")
    return run.stage("examiner", depends, [EXAMINER], partial(in_worker, work.fit_the_examiner, recipe, run.folder))


def fidelity(recipe: Recipe, run: Run) -> StageRecord:
    """What the examiner sees of the generator."""
    depends = {**_from(recipe, "source"), **_made(run, ["generator", "examiner"])}
    return run.stage("fidelity", depends, [], partial(in_worker, work.measure_fidelity, recipe, run.folder))


def shard(recipe: Recipe, run: Run, number: int) -> StageRecord:
    """One shard of hard samples."""
    attempts = recipe.shards.attempts
    request = _request(recipe, run, SHARDS, number, attempts, recipe.search.mix, recipe.checks)
    return _shard(recipe, run, f"shard-{number}", request)


def index(recipe: Recipe, run: Run) -> StageRecord:
    """The set's index, its commit point; measures what was kept."""
    shards = [run.record(f"shard-{number}") for number in range(recipe.shards.count)]
    records = [ShardRecord(**record.facts) for record in shards]  # type: ignore[arg-type]
    depends = {**_from(recipe, "source"), "records": [asdict(record) for record in records]}
    depends |= _made(run, [*_participants(recipe), "examiner"])

    def commit() -> tuple[Facts, float]:
        _write_set(recipe, run, SHARDS, records)
        opinion, seconds = in_worker(examine, run.folder, SHARDS)
        return {"candidates": funnel_of(run.path(SHARDS), records), **opinion}, seconds

    return run.stage("shards", depends, [f"{SHARDS}/{INDEX}"], commit)


def control(recipe: Recipe, run: Run, arm: str) -> StageRecord:
    """The shard set of a control arm: as many samples as the run's own, from a search that ignores the model."""
    folder, search = ARMS[arm].folder, ARMS[arm].search
    kept = sum(int(str(run.record(f"shard-{n}").facts["samples"])) for n in range(recipe.shards.count))
    record = _shard(recipe, run, f"control-{arm}-shard", _request(recipe, run, folder, 0, kept, {search: 1.0}, {}))
    shards = [ShardRecord(**record.facts)]  # type: ignore[arg-type]

    def commit() -> tuple[Facts, float]:
        _write_set(recipe, run, folder, shards)
        return {"samples": kept}, 0.0

    return run.stage(f"control-{arm}", {"shard": record.digest}, [f"{folder}/{INDEX}"], commit)


def arm(recipe: Recipe, run: Run, name: str, seed: int) -> StageRecord:
    """A classifier trained as one arm of the comparison, from one seed."""
    folder, out = ARMS[name].folder, f"arms/{name}-{seed}.safetensors"
    made_from = [] if not folder else ["shards" if name == "ours" else f"control-{name}"]
    depends = {**_from(recipe, "source", "training"), **_made(run, made_from), "arm": name, "seed": seed}
    todo = partial(in_worker, work.fit_arm, recipe, run.folder, folder, seed, out)
    return run.stage(f"arm-{name}-{seed}", depends, [out], todo)


def accuracy(recipe: Recipe, run: Run, name: str, seed: int) -> StageRecord:
    """Clean and robust accuracy of one arm's classifier."""
    trained = f"arm-{name}-{seed}"
    path = run.path(f"arms/{name}-{seed}.safetensors")
    depends = {**_from(recipe, "source", "evaluation"), **_made(run, [trained])}

    def measure() -> tuple[Facts, float]:
        found, seconds = in_worker(judge_robustness, path, recipe.source, recipe.evaluation, f"attack {name}-{seed}")
        return asdict(found), seconds

    return run.stage(f"accuracy-{name}-{seed}", depends, [], measure)


def _from(recipe: Recipe, *parts: str) -> dict[str, object]:
    """What every stage depends on, and these parts of the recipe."""
    options = asdict(recipe)
    common: dict[str, object] = {"seed": recipe.seed, "hardshard": version("hardshard"), "torch": torch.__version__}
    return common | {part: options[part] for part in parts}


def _made(run: Run, stages: Sequence[str]) -> dict[str, object]:
    return {"inputs": {stage: run.record(stage).digest for stage in stages}}


def _participants(recipe: Recipe) -> list[str]:
    """The stages whose networks take part in making a shard."""
    return ["model", "generator", *(f"judge-{fold}" for fold in range(recipe.judges.folds))]


def _request(
    recipe: Recipe,
    run: Run,
    folder: str,
    number: int,
    attempts: int,
    mix: Mapping[str, float],
    checks: Mapping[str, float],
) -> ShardRequest:
    return ShardRequest(
        run=run.folder,
        set_name=folder,
        number=number,
        attempts=attempts,
        seed=recipe.seed,
        folds=recipe.judges.folds,
        source=recipe.source,
        search=replace(recipe.search, mix=dict(mix)),
        checks=checks,
    )


def _shard(recipe: Recipe, run: Run, stage: str, request: ShardRequest) -> StageRecord:
    name = f"{request.set_name}/{SPLIT}-{request.number:06d}"
    outputs = [f"{name}.tar", f"{name}.parquet", preview_file(request.set_name, request.number)]
    depends = {**_from(recipe, "source"), **_made(run, _participants(recipe))}
    depends |= {"search": asdict(request.search), "checks": list(request.checks.items()), "number": request.number}
    depends |= {"attempts": request.attempts, "set": request.set_name}

    def build() -> tuple[Facts, float]:
        run.path(f"{request.set_name}/{INDEX}").unlink(missing_ok=True)  # no set while its shards change
        record, seconds = in_worker(build_shard, request)
        return asdict(record), seconds

    return run.stage(stage, depends, outputs, build)


def _write_set(recipe: Recipe, run: Run, folder: str, records: Sequence[ShardRecord]) -> None:
    _remove_others(run.path(folder), records)
    made_by = {stage: run.record(stage).digest for stage in _participants(recipe)}
    real = samples("train", recipe.source)
    facts = {
        "split": SPLIT,
        "recipe": recipe.name,
        "seed": recipe.seed,
        "round": 0,
        "classes": shape_of(real).classes,
        "shapes": {name: list(x.shape[1:]) for name, x in real.inputs.items()},
        "made_by": made_by,
    }
    write_index(run.path(folder), facts, records)


def _remove_others(folder: Path, records: Sequence[ShardRecord]) -> None:
    """Take away shards of an earlier, larger set: a folder holds what its index lists."""
    listed = {name for record in records for name in (record.tar, record.manifest)}
    for path in [*folder.glob("*.tar"), *folder.glob("*.parquet")]:
        if path.name not in listed:
            path.unlink()
