"""Runs heavy work in worker processes of one thread each: same bytes on one core or many, and no shared lock.

The workers are forked from a server process that has torch loaded, so that one starts in milliseconds. They end with
the process that started them, even when that one is killed.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import wait
from typing import ParamSpec, TypeVar

from pipelines.training import progress

P = ParamSpec("P")
R = TypeVar("R")

_pool: ProcessPoolExecutor | None = None


@contextmanager
def workers(count: int) -> Iterator[None]:
    """Keep `count` worker processes for `in_worker` to use within the block, and show their progress.

    Blocks may nest: the outermost one's workers serve all.
    """
    global _pool  # the pool is the process's, like its children
    if _pool is not None:
        yield
        return
    context = multiprocessing.get_context("forkserver")
    # The first step of an optimiser loads torch._dynamo: better once, in the server, than in each worker.
    heavy = ["torch._dynamo", "pipelines.training.materialise", "pipelines.training.evaluation.robustness"]
    context.set_forkserver_preload(heavy)
    channel: progress.Channel = context.Queue()
    with ProcessPoolExecutor(count, context, _begin, (channel,)) as pool, progress.shown(channel):
        _pool = pool
        try:
            yield
        except BaseException:
            stop_workers()
            raise
        finally:
            _pool = None
            pool.shutdown(wait=False, cancel_futures=True)


def in_worker(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> tuple[R, float]:
    """Call a module-level function in a worker process and wait for what it returns or raises.

    Returns:
        Its result, and the seconds it took, without those it waited for a free worker.

    Raises:
        RuntimeError: no `workers` block is open, or the worker was killed.
    """
    if _pool is None:
        raise RuntimeError("in_worker needs an open `workers` block")
    try:
        return _pool.submit(_timed, partial(work, *args, **kwargs)).result()
    except BrokenProcessPool as error:
        raise RuntimeError(
            f"the process that did {getattr(work, '__name__', work)} was killed; run again to go on"
        ) from error


def _timed(work: Callable[[], R]) -> tuple[R, float]:
    began = time.monotonic()
    return work(), time.monotonic() - began


def stop_workers() -> None:
    """End all worker processes at once; whoever waits for one gets an error."""
    for child in multiprocessing.active_children():
        child.kill()


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _begin(channel: progress.Channel) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch  # not before: whoever plans has no use for it

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    progress.connect(channel)


def _end_with_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        wait([parent.sentinel])
        os._exit(1)
