"""Who does the heavy work when it is not this machine's own processes: the workers of a cluster, one file a kind.

They get a module-level function, paths and small records; all that it reads and writes lies in the run's folder, which
they see under the same path. One thread a worker, so the bytes are the same as anywhere. Where a worker dies or leaves,
the cluster gives its work to another one.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import cast

import pipelines.training.runners as kinds
from data.errors import WrongUse
from data.plugins import plugin
from pipelines.training.operations import OperationOptions

Cluster = Callable[[str], AbstractContextManager[Executor]]
"""What each file exports under its name: the workers at an address, or new ones of this machine if that is empty."""


@contextmanager
def cluster_of(operations: OperationOptions) -> Iterator[Executor | None]:
    """The workers that the options name, until the block ends; None for processes of this machine.

    Raises:
        WrongUse: the package that it takes is not installed.
    """
    with ExitStack() as until_then:
        yield _entered(until_then, operations)


def _entered(until_then: ExitStack, operations: OperationOptions) -> Executor | None:
    if operations.runner == "processes":
        return None
    cluster = cast(Cluster, plugin(kinds, operations.runner))
    try:
        return until_then.enter_context(cluster(operations.cluster))
    except ImportError as error:
        raise WrongUse(f"operations.runner {operations.runner} needs hardshard[{operations.runner}]") from error
