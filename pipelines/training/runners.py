"""Who does the heavy work when it is not this machine's own processes: the workers of a Dask cluster.

They get a module-level function, paths and small records; all that it reads and writes lies in the run's folder, which
they see under the same path. One thread a worker, so the bytes are the same as anywhere. Where a worker dies or leaves,
the cluster gives its work to another one.
"""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from data.errors import WrongUse
from pipelines.training.operations import OperationOptions
from pipelines.training.processes import cores


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
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise WrongUse("operations.runner dask needs hardshard[dask]") from error
    options = {"n_workers": cores(), "threads_per_worker": 1, "dashboard_address": None}
    own = None if operations.cluster else LocalCluster(**options)
    client = Client(own or operations.cluster)
    try:
        yield client.get_executor(pure=False)
    finally:
        client.close()
        if own is not None:
            own.close()
