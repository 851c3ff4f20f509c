"""Runs heavy work in worker processes of one thread each: same bytes on one core or many, and no shared lock.

The workers are forked from a server process that has torch loaded, so that one starts in milliseconds. They end with
the process that started them, even when that one is killed. One that is killed is replaced, and who waited for it is
told `WorkerLost`, after which the same work may be asked for again. Other workers: pipelines/training/runners.py.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import wait
from typing import ParamSpec, TypeVar

from pipelines.training import progress

P = ParamSpec("P")
R = TypeVar("R")

Starter = Callable[[], Executor]


class WorkerLost(RuntimeError):
    """The process that did a piece of work was killed; the same work may succeed when it is done again."""


class Stopped(RuntimeError):
    """The run was ended before the work was: by its time limit, or by another error; run again to go on."""


@dataclass
class _Workers:
    """The executor that serves a run, and how to start another in its place, if that is ours to do.

    Attributes:
        why: why no more work is taken on, or the empty string.
    """

    executor: Executor
    start: Starter | None = None
    why: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def must_go_on(self, error: Exception | None = None) -> None:
        """Refuse work once the run is ending."""
        if self.why:
            raise Stopped(f"{self.why}; run again to go on") from error

    def replace(self, broken: Executor) -> None:
        """Start anew, unless another thread has done so or the run is ending."""
        with self.lock:
            if self.executor is broken and self.start and not self.why:
                broken.shutdown(wait=False, cancel_futures=True)
                self.executor = self.start()


_workers: _Workers | None = None


@contextmanager
def workers(count: int, hours: float = 24.0, cluster: Executor | None = None) -> Iterator[None]:
    """Keep workers for `in_worker` to use within the block, and show their progress.

    Blocks may nest: the outermost one's workers serve all.

    Args:
        count: worker processes.
        hours: after which all work is stopped.
        cluster: does the work instead; whoever opened it ends it.

    Raises:
        Stopped: the block took longer, as `in_worker` notices.
    """
    global _workers  # the workers are the process's, like its children
    if _workers is not None:
        yield
        return
    context = multiprocessing.get_context("forkserver")
    # The first step of an optimiser loads torch._dynamo: better once, in the server, than in each worker.
    heavy = ["torch._dynamo", "pipelines.training.materialise", "pipelines.training.evaluation.robustness"]
    context.set_forkserver_preload(heavy)
    channel: progress.Channel = context.Queue()
    start = partial(ProcessPoolExecutor, count, context, _begin, (channel,))
    _workers = mine = _Workers(cluster) if cluster else _Workers(start(), start)
    limit = threading.Timer(hours * 3600, _end, (mine, f"the run took more than operations.hours = {hours:g}"))
    limit.daemon = True
    limit.start()
    try:
        with progress.shown(channel):
            yield
    except BaseException:
        mine.why = mine.why or "the run is ending"
        stop_workers()
        raise
    finally:
        limit.cancel()
        _workers = None
        mine.executor.shutdown(wait=False)


def in_worker(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> tuple[R, float]:
    """Call a module-level function in a worker process and wait for what it returns or raises.

    Returns:
        Its result, and the seconds it took, without those it waited for a free worker.

    Raises:
        RuntimeError: no `workers` block is open.
        Stopped: the run has taken too long, or is ending by an error.
        WorkerLost: the worker was killed.
    """
    if (mine := _workers) is None:
        raise RuntimeError("in_worker needs an open `workers` block")
    executor = mine.executor
    try:
        mine.must_go_on()
        return executor.submit(_timed, partial(work, *args, **kwargs)).result()
    except (BrokenExecutor, CancelledError) as error:
        mine.must_go_on(error)
        mine.replace(executor)
        done = getattr(work, "__name__", work)
        raise WorkerLost(f"the process that did {done} was killed; run again to go on") from error


def _timed(work: Callable[[], R]) -> tuple[R, float]:
    began = time.monotonic()
    import torch  # not before: whoever plans has no use for it

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    return work(), time.monotonic() - began


def _end(mine: _Workers, why: str) -> None:
    mine.why = why
    stop_workers()
    mine.executor.shutdown(wait=False)


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
    progress.connect(channel)


def _end_with_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        wait([parent.sentinel])
        os._exit(1)
