"""Which epoch an iteration goes through, agreed on by the worker processes of one DataLoader.

A DataLoader tells its data set nothing of epochs: it starts worker processes anew each time, or lets persistent ones
iterate once more, and stops them at any moment, perhaps before they began. So worker 0 alone takes the next epoch
and writes down for which iteration; the others of that iteration read it there. Lost workers cost nothing: their
iteration is never asked for again.
"""

import os
import re
import time
from multiprocessing import current_process

import torch
from torch import Tensor
from torch.utils.data import get_worker_info

_RECORDS = 64
"""Iterations remembered; more than can be under way at a time."""
_PATIENCE = 120.0
"""Seconds that a worker waits for worker 0: it is started first, but machines may be loaded."""


class Epochs:
    """The next epoch, and the iterations under way: in shared memory, the same for all workers."""

    def __init__(self) -> None:
        self._next = _shared(3)
        """Epoch of the next iteration, the step it starts at, and how many records were written."""
        self._records = _shared(_RECORDS, 5)
        """Loader (two figures, see `_loader`), which of its iterations, epoch, first step; zeros for none."""
        self._begun = 0

    def go_on(self, epoch: int, step: int) -> None:
        """Let the next iteration start there."""
        self._next[0], self._next[1] = epoch, step

    def begin(self) -> tuple[int, int]:
        """The epoch of the iteration that begins now, and the step to start at; call it once an iteration and worker.

        Raises:
            RuntimeError: in a worker, when worker 0 does not begin.
        """
        self._begun += 1
        worker = get_worker_info()
        if worker is None:
            return self._take()
        iteration = (*_loader(worker.id), self._begun)
        return self._read(iteration) if worker.id else self._write(iteration)

    def _take(self) -> tuple[int, int]:
        epoch, step, _ = self._next.tolist()
        self.go_on(epoch + 1, 0)
        return epoch, step

    def _write(self, iteration: tuple[int, int, int]) -> tuple[int, int]:
        epoch, step = self._take()
        record = self._records[int(self._next[2]) % _RECORDS]
        self._next[2] += 1
        record[0] = 0  # nobody reads it while it changes
        record[1:] = torch.tensor([*iteration[1:], epoch, step])
        record[0] = iteration[0]
        return epoch, step

    def _read(self, iteration: tuple[int, int, int]) -> tuple[int, int]:
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            for *found, epoch, step in self._records.tolist():
                if tuple(found) == iteration:
                    return epoch, step
            time.sleep(0.001)
        raise RuntimeError("worker 0 of this DataLoader did not begin, so the others do not know their epoch")


def _shared(*shape: int) -> Tensor:
    zeros = torch.zeros(shape, dtype=torch.int64)
    zeros.share_memory_()  # type: ignore[no-untyped-call]
    return zeros


def _loader(worker: int) -> tuple[int, int]:
    """What the workers of one DataLoader have in common and no others: their parent, and the first one's number.

    A process is called `<kind>-<number>`, and a loader starts its workers one after the other.
    """
    found = re.search(r"\d+$", current_process().name)
    if found is None:
        raise RuntimeError(f"a worker process called {current_process().name!r} does not tell its number")
    return os.getppid(), int(found[0]) - worker
