"""Who may write a set: one at a time, on whatever machine; who dies or falls silent loses it."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from data.errors import Busy, Damaged, WrongUse
from data.store import CLAIM, INDEX, Store

BEAT = 10.0
"""Seconds between two signs of life of who holds a claim."""
PATIENCE = 60.0
"""Seconds of silence after which who holds a claim is taken for dead; no clocks of two machines are compared."""


@contextmanager
def claim(store: Store, owner: str, beat: float = BEAT, patience: float = PATIENCE) -> Iterator[None]:
    """Be the only one to write a set; the claim outlives a crash or an error, and only `commit`ting ends it.

    Args:
        store: the set's folder.
        owner: who asks, for instance the run's folder. On one machine the same owner takes its own claim up again, and
            whoever finds that of a dead process, at once; any other is watched for signs of life first.
        beat, patience: seconds between signs of life; seconds without one that mean death.

    Raises:
        Busy: another one holds it (its name, process and host are told).
        Damaged: this process was silent for so long that another one has taken the set.
        WrongUse: the folder holds something else.
    """
    mine = _Claim(store, f"{owner} (process {os.getpid()} on {socket.gethostname()})")
    if not store.has(CLAIM) and not store.has(INDEX):
        _refuse_unless_empty(store)
    while not store.create(CLAIM, mine.content):
        holder = store.read(CLAIM)
        if not _is_over(holder.decode(), owner) and not _is_silent(store, holder, patience):
            raise Busy(f"{store.url} is being written by {_name_of(holder)}: wait for it")
        store.remove(CLAIM)
    store.discard_uploads()
    with mine.kept(beat):
        yield
    store.remove(CLAIM)


@dataclass
class _Claim:
    """A claim of this process's, which shows that it lives.

    Attributes:
        store: holds it.
        name: who holds it.
        beats: signs of life so far.
        taken_by: who has taken it meanwhile, or the empty string.
    """

    store: Store
    name: str
    beats: int = 0
    taken_by: str = ""
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def content(self) -> bytes:
        """What its file holds: another text after each sign of life."""
        return f"{self.name}, sign of life {self.beats}".encode()

    @contextmanager
    def kept(self, beat: float) -> Iterator[None]:
        """Give signs of life until the block ends."""
        thread = threading.Thread(target=self._beat, args=(beat,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.ended.set()
            thread.join()
        if self.taken_by:
            raise Damaged(f"{self.store.url} was taken meanwhile by {self.taken_by}; run again when that has ended")

    def _beat(self, beat: float) -> None:
        while not self.ended.wait(beat) and not self.taken_by:
            try:
                found = _name_of(self.store.read(CLAIM))
                if found != self.name:
                    self.taken_by = found
                    return
                self.beats += 1
                self.store.write(CLAIM, self.content)
            except (OSError, Damaged):
                continue  # a store out of reach: silence, as others see it


def _name_of(content: bytes) -> str:
    return content.decode().partition(", sign of life ")[0]


def _refuse_unless_empty(store: Store) -> None:
    others = [name for name in store.names() if not name.endswith(".partial")]
    if others:
        raise WrongUse(f"{store.url} holds {others[0]} and no set: choose an empty folder")


def _is_over(holder: str, owner: str) -> bool:
    """Whether a claim of this machine is the asker's own, or its process has died."""
    name, _, place = _name_of(holder.encode()).rpartition(" (process ")
    number, _, host = place.rstrip(")").partition(" on ")
    if host != socket.gethostname() or not number.isdigit():
        return False
    return name == owner or not _lives(int(number))


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_silent(store: Store, holder: bytes, patience: float) -> bool:
    end = time.monotonic() + patience
    while time.monotonic() < end:
        time.sleep(min(1.0, patience / 10))
        if not store.has(CLAIM):
            return True
        if store.read(CLAIM) != holder:
            return False
    return True
