"""A run's folder is the state of the run: what is finished, from what, and where it lies.

A stage is finished when its record exists, was made from the same key (options and digests of inputs) and every file
it lists still has its digest. Anything else is done again; nothing else decides.
"""

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from data.errors import Busy, Damaged, WrongUse
from data.files import canonical_json, digest_of, read_json, write_atomically
from data.store import Store

Facts = Mapping[str, object]
Outputs = Sequence[str] | Callable[[Facts], Sequence[str]]


@dataclass(frozen=True)
class StageRecord:
    """What a finished stage left behind."""

    stage: str
    key: str
    seconds: float
    outputs: Mapping[str, str] = field(default_factory=dict)
    """File within the run's folder, or URL -> its mark, see `Store.mark`."""
    facts: Facts = field(default_factory=dict)
    """What the stage measured, as JSON."""
    depends: Facts = field(default_factory=dict)
    """What the key was made from, long parts as their digest: to say what changed."""
    seen: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """File of this machine among the outputs -> its size and time of writing, ns: to pass over what nobody touched."""

    @cached_property
    def digest(self) -> str:
        """One digest for all that the stage made."""
        return digest_of([dict(self.outputs), dict(self.facts)])


class Foresight(Protocol):
    """Takes a note of stages instead of doing them, see `data.outlook`."""

    def record(self, stage: str) -> StageRecord | None:
        """What there is of a stage by now, or will be."""

    def stage(self, stage: str, key: str, depends: Facts, takes_away: Sequence[str]) -> StageRecord:
        """What there will be of a stage when all before it is done."""


class Others(Protocol):
    """Other machines that work on the same run, each in a folder of its own, see `data.exchange`."""

    def take(self, folder: Path, key: str, outputs: Sequence[str]) -> StageRecord | None:
        """Put what another machine made of a stage into the run's folder, if there is any."""

    def offer(self, folder: Path, made: StageRecord) -> StageRecord:
        """Let others take a stage; what holds from here on, which may be another's."""


@dataclass(frozen=True)
class Run:
    """One run's folder."""

    folder: Path
    outlook: Foresight | None = None
    """Where it is given nothing is done."""
    exchange: Others | None = None
    """Where it is given, `common` stages are taken from there, and left there."""

    def path(self, name: str) -> Path:
        """A file or folder within the run."""
        return self.folder / name

    def record(self, stage: str) -> StageRecord:
        """The record of a stage that must be finished by now.

        Raises:
            WrongUse: it is not.
        """
        found = self.outlook.record(stage) if self.outlook else self.read(stage)
        if found is None:
            raise WrongUse(f"{self.folder} has no finished stage {stage!r}: run the stages before this one first")
        return found

    def is_whole(self, stage: str) -> bool:
        """Whether a stage has a record and all its outputs are as it left them."""
        found = self.read(stage)
        return found is not None and self._intact(found)

    def stage(
        self,
        stage: str,
        depends: Facts,
        outputs: Outputs,
        work: Callable[[], tuple[Facts, float]],
        takes_away: Sequence[str] = (),
        *,
        common: bool = False,
    ) -> StageRecord:
        """Do a stage's work unless it is done already.

        Args:
            stage: its name, unique within the run.
            depends: JSON of all that the outputs depend on: options, seeds, digests of other stages.
            outputs: the files, within the run or by their URL, that `work` writes; or how its facts name them.
            work: writes them; returns what it measured, as JSON, and how many seconds it worked.
            takes_away: outputs of later stages that `work` removes first.
            common: whether another machine may do it for this one; its outputs lie within the run and are named here.
        """
        key = digest_of({"stage": stage, **depends})
        if self.outlook:
            return self.outlook.stage(stage, key, depends, takes_away)
        exchange = self.exchange if common else None
        done = self.read(stage)
        if done is not None and done.key == key and self._intact(done):
            return self._keep(exchange.offer(self.folder, done), done) if exchange else done
        if exchange and not callable(outputs) and (taken := exchange.take(self.folder, key, outputs)):
            return self._keep(taken)
        facts, seconds = work()
        names = outputs(facts) if callable(outputs) else outputs
        made = {name: self.mark(name) for name in names}
        record = StageRecord(stage, key, round(seconds, 2), made, facts, shortened(depends))
        return self._keep(exchange.offer(self.folder, record) if exchange else record)

    def _keep(self, record: StageRecord, kept: StageRecord | None = None) -> StageRecord:
        """Write a stage's record, unless it is the one that is kept already."""
        if record is kept:
            return record
        seen = {name: seen for name in record.outputs if (seen := self.sighting(name))}
        record = replace(record, seen=seen)
        write_atomically(self._record_path(record.stage), canonical_json(asdict(record)))
        return record

    def _record_path(self, stage: str) -> Path:
        return self.path(f"stages/{stage}.json")

    def read(self, stage: str) -> StageRecord | None:
        """The record that a stage left, if any; whether it still holds is another question.

        Raises:
            Damaged: it is no record.
        """
        path = self._record_path(stage)
        if not path.is_file():
            return None
        try:
            return StageRecord(**read_json(path))  # type: ignore[arg-type]
        except TypeError as error:
            raise Damaged(f"{path} is no stage record ({error}): delete it and run again") from error

    def _intact(self, record: StageRecord) -> bool:
        return all(self.mark(name) == mark for name, mark in record.outputs.items())

    def sighting(self, name: str) -> list[int]:
        """Size and time of writing, ns, of an output on this machine; nothing of one elsewhere, or of none."""
        try:
            found = self.path(name).stat() if "://" not in name else None
        except FileNotFoundError:
            return []
        return [found.st_size, found.st_mtime_ns] if found else []

    def mark(self, name: str) -> str:
        """What tells one content of an output from another, see `Store.mark`; empty where it is missing."""
        folder, _, file = (name if "://" in name else str(self.path(name))).rpartition("/")
        return Store(folder).mark(file)


LONG = 50
"""Entries of a mapping or a list that a record still spells out."""


def shortened(depends: Facts) -> dict[str, object]:
    """The same with every longer part as its digest."""
    return {name: _short(value) for name, value in depends.items()}


def _short(value: object) -> object:
    long = isinstance(value, Mapping | list | tuple) and len(value) > LONG
    if isinstance(value, Mapping) and not long:
        return shortened(value)
    return {"digest": digest_of(value)} if long else value


def owner_of(folder: Path) -> str:
    """The recipe that a run's folder belongs to; empty where there is no run.

    Raises:
        WrongUse: it holds something that is no run.
    """
    marker = folder / "run.json"
    if marker.is_file():
        return str(read_json(marker).get("recipe"))
    if folder.is_dir() and any(not entry.name.startswith(".") for entry in folder.iterdir()):
        raise WrongUse(f"{folder} is not empty and holds no run: choose another folder with --run")
    return ""


def open_run(folder: Path, recipe: str) -> Run:
    """The run in `folder`, made if there is none.

    Raises:
        WrongUse: the folder belongs to another recipe, or holds something that is no run.
    """
    if not (owner := owner_of(folder)):
        write_atomically(folder / "run.json", canonical_json({"recipe": recipe}))
    elif owner != recipe:
        raise WrongUse(f"{folder} belongs to recipe {owner!r}, not {recipe!r}: choose another folder with --run")
    return Run(folder)


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Keep other processes out of a run's folder; the system lets go of it when this process ends, however it ends.

    Raises:
        Busy: another process holds it; its number and its host are named.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        holder = (folder / ".holder").read_text() if (folder / ".holder").is_file() else "unknown"
        raise Busy(f"{folder} is in use by process {holder}: wait for it, or choose another --run") from error
    for left in folder.rglob(".*.partial"):
        left.unlink()  # what a killed process had not finished
    try:
        (folder / ".holder").write_text(f"{os.getpid()} on {socket.gethostname()}")
        yield
    finally:
        lock.release()
