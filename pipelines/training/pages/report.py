"""The report of a run: report.json for scripts, report.html for people, the same figures in both."""

from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from data.files import canonical_json, write_atomically
from data.runs import Run
from data.shards import open_set
from data.store import Store
from pipelines.recipes import Recipe, options_of
from pipelines.training import trials
from pipelines.training.arms import OURS, SHARDS, arms_of, set_url
from pipelines.training.drafting import AUTO, PROBE, THRESHOLDS, preview_file
from pipelines.training.evaluation import uplift
from pipelines.training.evaluation.statistics import difference, mcnemar
from pipelines.training.models.brought import measured_told, opinion_told
from pipelines.training.pages import page
from pipelines.training.pages.bought import bought
from pipelines.training.pages.funnel import margins_of_set
from pipelines.training.pages.previews import read_previews
from pipelines.training.places import UNLABELLED
from pipelines.training.rounds import figures as of_rounds
from pipelines.training.rounds import stages as rounds
from pipelines.training.stages import torch_build


def write(recipe: Recipe, run: Run, seeds: int, tried: Sequence[trials.Trial] = ()) -> Path:
    """Write both reports; returns the path of report.json.

    Args:
        tried: mixes that were tried on the validation part before; the recipe's is the best of them.

    Raises:
        Damaged: the shard set was altered since it was made.
        WrongUse: a stage is not finished.
    """
    results = uplift.results_of(recipe, run, seeds)
    figures = figures_of(recipe, run, seeds, results)
    figures["mixes"] = trials.as_json(tried, recipe.uplift.samples) if tried else {}
    found = open_set(Store(set_url(recipe, run.folder, SHARDS)))
    previews = read_previews([run.path(preview_file(SHARDS, n)) for n in range(recipe.shards.parts)])
    margins = margins_of_set(found.store, [manifest.name for manifest in found.manifests])
    html = page.render(figures, previews, margins, recipe.search.band)
    write_atomically(run.path("report.html"), html.encode())
    path = run.path("report.json")
    write_atomically(path, canonical_json(figures))
    return path


def figures_of(recipe: Recipe, run: Run, seeds: int, results: list[uplift.ArmResult]) -> dict[str, Any]:
    """All that the report says, as JSON."""
    kept = run.record(SHARDS)
    ours = next(result for result in results if result.name == OURS)
    gaps = {r.name: _gap(ours, r) for r in results if r is not ours}
    return {
        "recipe": recipe.called,
        "seed": recipe.seed,
        "made_by": {"hardshard": version("hardshard"), "torch": torch_build()},
        "options": {name: value for name, value in options_of(asdict(recipe)) if not name.startswith("operations.")},
        "source": run.record("source").facts,
        "unlabelled": run.record(UNLABELLED).facts if recipe.source.unlabelled.name else {},
        "stages": stage_seconds(recipe, run, seeds),
        "fidelity": {**run.record("fidelity").facts, **run.record("examiner").facts},
        "candidates": kept.facts["candidates"],
        "bands": kept.facts["bands"],
        "thresholds": kept.facts["thresholds"],
        "budget": bought(recipe, run),
        "judges": [run.record(f"judge-{fold}").facts for fold in range(recipe.judges.folds)],
        "kept_labels": {name: kept.facts[name] for name in ("agreement", "agreement_by_search")},
        "shards": {"url": set_url(recipe, run.folder, SHARDS), "digest": kept.facts["digest"]},
        "evaluation": vars(recipe.evaluation),
        "brought": _brought(recipe, run),
        "arms": uplift.as_json(results),
        "ours_minus": gaps,
        "rounds": of_rounds.figures_of(recipe, run),
        "verdict": uplift.verdict(results, recipe),
    }


def _gap(ours: uplift.ArmResult, other: uplift.ArmResult) -> dict[str, object]:
    """Ours minus another arm, in points, and for each seed McNemar's chance of so uneven a split between equals."""
    pairs = zip(ours.flags, other.flags, strict=True)
    chances = [round(mcnemar(mine, theirs).chance, 4) for mine, theirs in pairs]
    return {**vars(difference(ours.flags, other.flags)), "mcnemar": chances}


def _brought(recipe: Recipe, run: Run) -> dict[str, Any]:
    """What the user's model makes of unseen samples; nothing where the model was trained here."""
    if not recipe.model.path:
        return {}
    taken_in, measured = run.record("model").facts, run.record("accuracy-brought").facts
    said = f"{opinion_told(taken_in)} {measured_told(measured)}"
    return {"name": recipe.model.path, **taken_in, recipe.evaluation.part: measured, "said": said}


def stage_seconds(recipe: Recipe, run: Run, seeds: int) -> list[dict[str, object]]:
    """Each kind of stage and how long its work took in all, in seconds of one core's work."""
    folds = range(recipe.judges.folds)
    drafts = [f"{SHARDS}/draft-{number}" for number in range(recipe.shards.parts)]
    shards = [f"{SHARDS}/shard-{number}" for number in range(recipe.shards.count)]
    controls = [arm.folder for arm in arms_of(recipe).values() if arm.search]
    pairs = [f"{arm}-{seed}" for arm in arms_of(recipe) for seed in range(recipe.seed, recipe.seed + seeds)]
    chosen = [THRESHOLDS] if AUTO in recipe.checks.values() else []
    chosen += [PROBE] if recipe.budget.given else []
    kinds = {
        "train_model": ["source", *([UNLABELLED] if recipe.source.unlabelled.name else []), "model"],
        "train_generator": ["generator", "examiner", "fidelity", *(f"judge-{fold}" for fold in folds)],
        "build_shards": [*chosen, *drafts, *shards, SHARDS],
        "train_robust": [f"arm-{pair}" for pair in pairs]
        + [f"{folder}{part}" for folder in controls for part in ("", "/draft-0", "/shard-0")],
        "evaluate": [f"accuracy-{pair}" for pair in pairs],
    }
    if recipe.rounds.count:
        kinds["rounds"] = rounds.stage_names(recipe, run)
    return [
        {"name": name, "seconds": round(sum(run.record(stage).seconds for stage in stages), 1)}
        for name, stages in kinds.items()
    ]
