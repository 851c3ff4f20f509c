"""What a finished synthesis tells: report.json for scripts, tables for the terminal."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from data.files import canonical_json, write_atomically
from data.runs import Run
from pipelines.recipes import Recipe
from pipelines.training.pages.terminal import candidates_table, source_told, wide_console
from pipelines.training.synthesis.options import made_by_way
from pipelines.training.synthesis.places import SET, encoder_stage, examiner_stage
from pipelines.training.synthesis.stages import encoders

REPORT = "synthesis.json"
"""Beside report.json of a run on the same pairs, which it leaves alone."""
ROWS = {
    "real": "real, held out",
    "unwalked": "made, before the walk",
    "unfiltered": "made, before checks",
    "kept": "made, kept",
    "control": "control: parts drawn apart",
}


def write(recipe: Recipe, run: Run) -> Path:
    """Write synthesis.json; returns its path.

    Raises:
        WrongUse: a stage is not finished.
    """
    path = run.path(REPORT)
    write_atomically(path, canonical_json(figures_of(recipe, run)))
    return path


def figures_of(recipe: Recipe, run: Run) -> dict[str, Any]:
    """All that the report says, as JSON; shares and ratios, none in percent."""
    names, made = recipe.events.modalities, run.record(SET).facts
    return {
        "recipe": recipe.name,
        "seed": recipe.seed,
        "source": run.record("source").facts,
        "part": recipe.evaluation.part,
        "candidates": made["candidates"],
        "samples": made["samples"],
        "examiners": {name: run.record(examiner_stage(name)).facts["right_on_unseen"] for name in names},
        "encoders": {name: run.record(encoder_stage(name)).facts["right_on_validation"] for name in encoders(recipe)},
        "ways": {
            way: {"made": list(made_by_way(way, names)), **run.record(f"{SET}-figures-{way}").facts}
            for way in recipe.synthesis.asked
        },
    }


def show_report(path: Path) -> None:
    """The summary of a finished synthesis, from its report."""
    figures, console = json.loads(path.read_text()), wide_console()
    console.print(source_told(figures["source"]), highlight=False)
    console.print(candidates_table(figures["candidates"]))
    for way, found in figures["ways"].items():
        console.print(_table(way, found))
        for line in _lines(found):
            console.print(line, highlight=False)
    for name, place in {"shards": path.with_name(SET), "figures": path}.items():
        console.print(f"{name:8} {place}", highlight=False, soft_wrap=True)


def _table(way: str, found: Mapping[str, Any]) -> Table:
    """What examiners name, a row a kind of events: one class, the label, and by each examiner the label."""
    names = [key for key in found["real"] if key.startswith("right_")]
    heads = ["agree", "the label", *(f"{key.removeprefix('right_')} alone" for key in names)]
    table = Table(f"examiners, {way}, %", *heads, "events", title_justify="left", box=None)
    for kind, title in ROWS.items():
        if row := found.get(kind):
            shares = [f"{100 * row[key]:.1f}" for key in ("agree", "right", *names)]
            table.add_row(title, *shares, str(row["events"]))
    return table


def _lines(found: Mapping[str, Any]) -> list[str]:
    """Diversity, and what a classifier trained on what was made is worth on real samples."""
    lines = [
        f"{name}: {100 * row['in_band']:.1f} % near the model's boundary, it errs on {100 * row['errs']:.1f} %, "
        f"its own heads disagree on {100 * row['disagree']:.1f} %"
        for name, row in found.get("hardness", {}).items()
    ]
    lines += [
        f"{name}: distances within a class {found['diversity'][name]:.2f} of real ones, "
        f"{found['diversity_kept'][name]:.2f} of what is kept"
        for name in found.get("diversity", {})
    ]
    return lines + [
        f"{name}: trained on what was made {100 * row['on_made']:.1f} % right on real ones, "
        f"trained on real ones {100 * row['on_real']:.1f} %"
        for name, row in found.get("trained", {}).items()
    ]
