"""A run's folder, held by this process, and the workers that fill it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from data.exchange import Exchange
from data.runs import Run, hold, open_run
from pipelines.recipes import Recipe
from pipelines.training.processes import cores, workers
from pipelines.training.runners import cluster_of

_held: set[Path] = set()


def is_held(folder: Path) -> bool:
    """Whether this process has a session of that folder open."""
    return folder.absolute() in _held


@contextmanager
def session(recipe: Recipe, folder: Path) -> Iterator[Run]:
    """Open a run for work; a flow within a flow shares the outer one's session.

    Raises:
        Busy: the folder is in use by another process.
        Stopped: the run took longer than `operations.hours`.
        WrongUse: the folder belongs to another recipe, or is no run.
    """
    folder, operations = folder.absolute(), recipe.operations
    if folder in _held:
        yield _opened(recipe, folder)
        return
    with hold(folder), cluster_of(operations) as cluster, workers(cores(), operations.hours, cluster):
        _held.add(folder)
        try:
            yield _opened(recipe, folder)
        finally:
            _held.discard(folder)


def _opened(recipe: Recipe, folder: Path) -> Run:
    url = recipe.operations.exchange
    return replace(open_run(folder, recipe.called), exchange=Exchange(url) if url else None)
