"""Tasks, one a stage: the run's folder decides what is done, Prefect shows it and tries again where that may help."""

import errno
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from pipelines.training.processes import WorkerLost

P = ParamSpec("P")
R = TypeVar("R")

WAITS: list[float] = [2.0, 30.0]
"""Seconds before the second and the third try."""
PASSING = {
    *(errno.EIO, errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ESTALE),
    *(errno.ETIMEDOUT, errno.ENETDOWN, errno.ENETUNREACH, errno.ENETRESET, errno.EHOSTDOWN, errno.EHOSTUNREACH),
}
"""What a disk or a store may say once and not again; s3fs says EIO for a server's 500 and EBUSY for its 503."""
PASSING_KINDS = {("botocore", "HTTPClientError"), ("botocore", "ConnectionError"), ("aiohttp", "ClientConnectionError")}
"""Package and class of the errors of a connection that are no OSError."""


def stage_task(name: str) -> Callable[[Callable[P, R]], Task[P, R]]:
    """A decorator: a task by that name, tried three times if what went wrong may pass.

    Args:
        name: of its runs; `{...}` holds the name of an argument.
    """
    return task(
        task_run_name=name,
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=len(WAITS),
        retry_delay_seconds=WAITS,
        retry_condition_fn=_may_pass,
    )


def _may_pass(_task: Task[..., Any], _run: TaskRun, state: State) -> bool:
    error = state.result(raise_on_failure=False)
    return isinstance(error, BaseException) and is_transient(error)


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed when it is done again: a lost worker, a store out of reach.

    Never what is wrong in the input, and not a full disk, which stays full for longer than a task may wait.
    """
    if isinstance(error, (WorkerLost, ConnectionError, TimeoutError)):
        return True
    if isinstance(error, OSError) and error.errno in PASSING:
        return True
    kinds = {(kind.__module__.partition(".")[0], kind.__name__) for kind in type(error).__mro__}
    return bool(kinds & PASSING_KINDS)
