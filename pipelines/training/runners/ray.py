"""The workers of a Ray cluster."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from pipelines.training.processes import cores

R = TypeVar("R")

AT_ONCE = 256
"""Pieces of work that are waited for; more are begun when one ends."""
TRIES = 3
"""Times that a piece of work is begun anew where its worker dies."""


@contextmanager
def ray(address: str) -> Iterator[Executor]:
    """The workers of the cluster at an address, as `ray://host:10001` or, on a machine that belongs to it, `auto`."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # tells nobody
    import ray as package

    options: dict[str, Any] = {} if address else {"num_cpus": cores(), "include_dashboard": False}
    package.init(address=address or "local", log_to_driver=False, **options)
    try:
        with ThreadPoolExecutor(AT_ONCE) as waiting:
            yield _Waited(waiting)
    finally:
        package.shutdown()


class _Waited(Executor):
    """Ray's tasks as an executor of Python's: a thread waits for each, which keeps its result from being freed."""

    def __init__(self, waiting: ThreadPoolExecutor) -> None:
        self._waiting = waiting

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> "Future[R]":
        return self._waiting.submit(_done, fn, args, kwargs)


def _done(fn: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
    import ray as package

    try:
        found: R = package.get(package.remote(num_cpus=1, max_retries=TRIES)(fn).remote(*args, **kwargs))
    except package.exceptions.WorkerCrashedError as error:
        raise BrokenExecutor(str(error)) from error
    return found
