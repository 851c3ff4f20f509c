"""Who does the heavy work when it is not this machine's own processes: the workers of a Dask or a Ray cluster.

They get a module-level function, paths and small records; all that it reads and writes lies in the run's folder, which
they see under the same path. One thread a worker, so the bytes are the same as anywhere. Where a worker dies or leaves,
the cluster gives its work to another one.
"""

import os
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from data.errors import WrongUse
from pipelines.training.operations import OperationOptions
from pipelines.training.processes import cores

R = TypeVar("R")


@contextmanager
def cluster_of(operations: OperationOptions) -> Iterator[Executor | None]:
    """The workers that the options name, until the block ends; None for processes of this machine.

    Raises:
        WrongUse: the package that it takes is not installed.
    """
    if operations.runner == "processes":
        yield None
        return
    try:
        cluster = {"dask": _dask, "ray": _ray}[operations.runner](operations.cluster)
        executor = next(cluster)
    except ImportError as error:
        raise WrongUse(f"operations.runner {operations.runner} needs hardshard[{operations.runner}]") from error
    try:
        yield executor
    finally:
        cluster.close()


def _dask(address: str) -> Generator[Executor, None, None]:
    from distributed import Client, LocalCluster

    options = {"n_workers": cores(), "threads_per_worker": 1, "dashboard_address": None}
    own = None if address else LocalCluster(**options)
    client = Client(own or address)
    try:
        yield client.get_executor(pure=False)
    finally:
        client.close()
        if own is not None:
            own.close()


def _ray(address: str) -> Generator[Executor, None, None]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # tells nobody
    import ray

    options = {} if address else {"num_cpus": cores(), "include_dashboard": False}
    ray.init(address=address or "local", log_to_driver=False, **options)
    try:
        yield _Ray()
    finally:
        ray.shutdown()


class _Ray(Executor):
    """Ray's tasks as an executor of Python's; each is waited for in a thread, which keeps its result from being freed."""

    def __init__(self) -> None:
        self._waiting = ThreadPoolExecutor(256)

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> "Future[R]":
        return self._waiting.submit(self._wait, fn, args, kwargs)

    def _wait(self, fn: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
        import ray

        found: R = ray.get(ray.remote(num_cpus=1, max_retries=3)(fn).remote(*args, **kwargs))
        return found
