"""The workers of a Dask cluster."""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from pipelines.training.processes import cores


@contextmanager
def dask(address: str) -> Iterator[Executor]:
    """The workers of the scheduler at an address, as `tcp://host:8786`."""
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
