"""A run's folder, held by this process, and the worker processes that fill it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.runs import Run, hold, open_run
from pipelines.recipes import Recipe
from pipelines.training.processes import cores, workers

_held: set[Path] = set()


@contextmanager
def session(recipe: Recipe, folder: Path) -> Iterator[Run]:
    """Open a run for work; a flow within a flow shares the outer one's session.

    Raises:
        WrongUse: the folder belongs to another recipe, is no run, or is in use by another process.
    """
    folder = folder.absolute()
    if folder in _held:
        yield open_run(folder, recipe.name)
        return
    with hold(folder), workers(cores()):
        _held.add(folder)
        try:
            yield open_run(folder, recipe.name)
        finally:
            _held.discard(folder)
