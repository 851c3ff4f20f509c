"""Whether a run's folder is as the last finished run left it, so that there is nothing to do.

Each stage decides for itself, from its key and its outputs; this asks for all of them at once, in no time.
"""

from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from data.files import canonical_json, digest_of, read_json, sha256_of, write_atomically
from data.runs import Run
from data.sources import fingerprint_of
from pipelines.recipes import Recipe
from pipelines.training.models.locating import digest_of_model

FINISHED = "finished"
"""Folder of what the flows left, within the run."""


def key_of(recipe: Recipe, more: Sequence[object]) -> str:
    """A digest that changes with anything that a run depends on.

    Args:
        recipe: all of it counts, but for how it is carried out.
        more: the flow's other parameters, as JSON.
    """
    options = asdict(recipe)
    del options["operations"]
    ordered = (recipe.checks, recipe.search.mix, recipe.adapt.checks, recipe.adapt.pseudo_checks)
    order = [list(names) for names in ordered]  # JSON sorts them
    files = [fingerprint_of(source) for source in (recipe.source, recipe.adapt.target)]
    model = digest_of_model(recipe.model) if recipe.model.path else ""
    packages = [version("hardshard"), version("torch")]
    return digest_of([options, order, list(more), files, model, packages])


def note(run: Run, flow: str, key: str, result: Path | None) -> None:
    """Remember that a flow has finished: every stage's record, and the files of its result."""
    files = [*run.path("stages").rglob("*.json"), *_pages(result)]
    marks = {str(file.relative_to(run.folder)): sha256_of(file) for file in files}
    result_name = str(result.relative_to(run.folder)) if result else ""
    write_atomically(_place(run, flow), canonical_json({"key": key, "files": marks, "result": result_name}))


def is_as_left(run: Run, flow: str, key: str) -> bool:
    """Whether the flow finished with this key, and every file that any stage left then is still whole."""
    if not _place(run, flow).is_file():
        return False
    noted = read_json(_place(run, flow))
    files = noted["files"]
    if noted["key"] != key or not isinstance(files, dict):
        return False
    if any(not run.path(name).is_file() or sha256_of(run.path(name)) != mark for name, mark in files.items()):
        return False
    stages = [name.removeprefix("stages/").removesuffix(".json") for name in files if name.startswith("stages/")]
    return all(run.is_whole(stage) for stage in stages)


def result_of(run: Run, flow: str) -> Path | None:
    """What a finished flow returned."""
    name = str(read_json(_place(run, flow))["result"])
    return run.path(name) if name else None


def _place(run: Run, flow: str) -> Path:
    return run.path(f"{FINISHED}/{flow}.json")


def _pages(result: Path | None) -> list[Path]:
    """The result's own file, and its page for people."""
    return [file for file in (result, result.with_suffix(".html")) if file.is_file()] if result else []
