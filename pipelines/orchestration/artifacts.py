"""What Prefect's pages show of a run: a bar while shards are made, the funnel, the hardest samples, the accuracies."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import cast
from uuid import UUID

from PIL import Image
from prefect.artifacts import (
    create_image_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from data.manifest import read_manifest
from data.runs import Run
from data.shards import read_index
from data.store import Store
from pipelines.orchestration import is_served
from pipelines.recipes import Recipe
from pipelines.training.arms import BASELINE, OURS, SHARDS, set_url
from pipelines.training.naming import slug
from pipelines.training.pages.inspection import draw_grid

LARGEST = 100_000
"""Bytes of a picture; it is kept in the server's database, once a run."""


def progress_of(run: Run, what: str, total: int) -> Callable[[], None]:
    """A bar on the run's page; the function that is returned moves it on by one of `total`."""
    if not is_served():
        return lambda: None
    about = f"{what} finished, of {total}"
    shown = cast(UUID, create_progress_artifact(progress=0.0, key=_key(run, what), description=about))
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        update_progress_artifact(artifact_id=shown, progress=100 * done / total)

    return advance


def show_set(recipe: Recipe, run: Run) -> None:
    """The funnel of kept and refused candidates as a table, and the samples nearest to the boundary as a picture."""
    if not is_served():
        return
    facts = run.record(SHARDS).facts
    rows = _funnel(facts["candidates"])
    create_table_artifact(rows, key=_key(run, "funnel"), description=f"{facts['samples']} samples kept, by search")
    found = read_index(Store(set_url(recipe, run.folder, SHARDS)))
    grid = draw_grid(found, read_manifest(found.store, [manifest.name for manifest in found.manifests]))
    about = "kept samples nearest to the decision boundary, a class a row"
    create_image_artifact(_as_url(grid), key=_key(run, "hardest"), description=about)


def show_accuracy(run: Run, report: Path) -> None:
    """Clean and robust accuracy of every arm, before and after, and the verdict."""
    if is_served():
        markdown = _accuracies(json.loads(report.read_bytes()))
        create_markdown_artifact(markdown, key=_key(run, "robust-accuracy"), description="before and after the shards")


def _key(run: Run, what: str) -> str:
    return slug(f"{run.folder.name}-{what}")


def _funnel(candidates: object) -> list[dict[str, object]]:
    """A row a search: attempted, kept, and refused by each reason that occurs."""
    counts = dict(candidates) if isinstance(candidates, dict) else {}
    reasons = sorted({reason for row in counts.values() for reason in row["refused"]})
    return [
        {"search": search, "attempted": row["attempted"], "kept": row["kept"]}
        | {f"refused: {reason}": row["refused"].get(reason, 0) for reason in reasons}
        for search, row in counts.items()
    ]


def _as_url(picture: Image.Image) -> str:
    """A PNG of at most `LARGEST` bytes as a data: URL; a picture that would be larger is drawn smaller."""
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    while out.tell() > LARGEST:
        picture = picture.resize((max(1, picture.width * 3 // 4), max(1, picture.height * 3 // 4)))
        out = io.BytesIO()
        picture.save(out, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def _accuracies(figures: dict[str, dict[str, dict[str, list[float]]]]) -> str:
    names = {BASELINE: "before", OURS: "after"}
    rows = [
        f"| {name} | {names.get(name, '')} | {mean(arm['clean']):.2f} | {mean(arm['robust']):.2f} |"
        for name, arm in figures["arms"].items()
    ]
    head = ["| arm | | clean, % | robust, % |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *rows, "", str(figures["verdict"])])
