"""Shows how far long work is: a bar with rate and time left on a terminal, plain lines in a log.

Work runs in worker processes and calls `report`; the process that started them shows what arrives.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.queues import Queue
from typing import TypeAlias

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

LOG = logging.getLogger(__name__)
LINE_EVERY = 15.0
"""Seconds between lines of a log about the same work."""
REPORT_EVERY = 0.2
"""Seconds between reports of the same work."""


@dataclass(frozen=True)
class Report:
    """How far one piece of work is."""

    work: str
    done: int
    total: int
    note: str = ""


Channel: TypeAlias = "Queue[Report | None]"
_channel: "Channel | None" = None
_last: dict[str, float] = {}


def connect(channel: Channel) -> None:
    """In a worker process: send reports to `channel` from now on."""
    global _channel  # one per process, set when it starts
    _channel = channel


def report(work: str, done: int, total: int, note: str = "") -> None:
    """Say that `done` of `total` steps of `work` are done; cheap enough to call at each step."""
    now = time.monotonic()
    due = done >= total or now - _last.get(work, 0.0) >= REPORT_EVERY
    if _channel is not None and due:
        _last[work] = now
        _channel.put(Report(work, done, total, note))


@contextmanager
def shown(channel: Channel) -> Iterator[None]:
    """Show what arrives on `channel` until the block ends."""
    console = Console(stderr=True)
    show = _bars(console) if console.is_terminal else _lines()
    thread = threading.Thread(target=_drain, args=(channel, show), daemon=True)
    thread.start()
    try:
        yield
    finally:
        channel.put(None)
        thread.join(timeout=5)


def _drain(channel: Channel, show: Callable[[Report | None], None]) -> None:
    while True:
        try:
            arrived = channel.get()
        except (EOFError, OSError, queue.Empty):
            arrived = None
        show(arrived)
        if arrived is None:
            return


def _bars(console: Console) -> Callable[[Report | None], None]:
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    progress = Progress(*columns, TextColumn("{task.fields[note]}"), console=console, transient=True)
    rows: dict[str, TaskID] = {}
    began: dict[str, float] = {}

    def show(arrived: Report | None) -> None:
        if arrived is None:
            return progress.stop()
        progress.start()
        start = began.setdefault(arrived.work, time.monotonic())
        if arrived.work not in rows:
            rows[arrived.work] = progress.add_task(arrived.work, total=arrived.total, note="")
        progress.update(rows[arrived.work], completed=arrived.done, note=arrived.note)
        if arrived.done >= arrived.total:  # a line stays, the bar makes room
            progress.remove_task(rows.pop(arrived.work))
            console.print(f"{arrived.work}: {_line(arrived, time.monotonic() - start)}", highlight=False)
        return None

    return show


def _lines() -> Callable[[Report | None], None]:
    began: dict[str, float] = {}
    last: dict[str, float] = {}

    def show(arrived: Report | None) -> None:
        if arrived is None:
            return
        now = time.monotonic()
        start = began.setdefault(arrived.work, now)
        if arrived.done < arrived.total and now - last.setdefault(arrived.work, now) < LINE_EVERY:
            return
        last[arrived.work] = now
        LOG.info("%s: %s", arrived.work, _line(arrived, now - start))

    return show


def _line(arrived: Report, seconds: float) -> str:
    if arrived.done >= arrived.total:
        return f"done, {arrived.total} in {seconds:.0f} s {arrived.note}".rstrip()
    left = seconds / max(1, arrived.done) * (arrived.total - arrived.done)
    return f"{arrived.done}/{arrived.total}, {left:.0f} s left {arrived.note}".rstrip()
