"""Where machines that work on one run, each in a folder of its own, exchange the stages they have finished.

An exchange is a folder at any URL: `stages/<key>.json`, the record of a finished stage, and `files/<SHA-256>`, what it
left. Keys are those of the run's folder, so nobody takes what was made from anything else. Who finishes a stage first
decides: whoever comes later takes what is there, so that all go on from the same bytes.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from data.errors import Damaged
from data.files import canonical_json, write_together
from data.runs import StageRecord
from data.store import Store


@dataclass(frozen=True)
class Exchange:
    """The exchange at `url`, which is trusted as the run's own folder is."""

    url: str

    def take(self, folder: Path, key: str, outputs: Collection[str]) -> StageRecord | None:
        """Put what another machine made of a stage into a run's folder.

        Args:
            folder: the run's.
            key: of the stage.
            outputs: the files that it must have left, no more and no less.

        Returns:
            Its record; None where nobody has finished it, or what is there is not whole.
        """
        found = self._record(key)
        if found is None or set(found.outputs) != set(outputs):
            return None
        try:
            files = {folder / name: self._content(mark) for name, mark in found.outputs.items()}
        except Damaged:
            self._store.remove(_place(key))  # for whoever makes it next to put whole files there
            return None
        write_together(files)
        return found

    def offer(self, folder: Path, made: StageRecord) -> StageRecord:
        """Let others take a stage that this machine has finished.

        Returns:
            What holds from here on: `made`, or what another machine finished before, which is in the folder then.
        """
        place = _place(made.key)
        if (found := self._record(made.key)) is not None and _same(found, made):
            return made
        for name, mark in made.outputs.items():
            self._store.write(f"files/{mark}", (folder / name).read_bytes())
        content = canonical_json(asdict(replace(made, seen={})))
        if self._store.create(place, content):
            return made
        if (taken := self.take(folder, made.key, made.outputs)) is not None:
            return taken
        self._store.write(place, content)  # what was there could not be had
        return made

    @property
    def _store(self) -> Store:
        return Store(self.url)

    def _record(self, key: str) -> StageRecord | None:
        try:
            return StageRecord(**json.loads(self._store.read(_place(key))))
        except (Damaged, TypeError, ValueError):
            return None

    def _content(self, mark: str) -> bytes:
        content = self._store.read(f"files/{mark}")
        if hashlib.sha256(content).hexdigest() != mark:
            raise Damaged(f"{self.url}/files/{mark} is not what its name says")
        return content


def _place(key: str) -> str:
    return f"stages/{key}.json"


def _same(found: StageRecord, made: StageRecord) -> bool:
    def told(record: StageRecord) -> Mapping[str, object]:
        return {"outputs": dict(record.outputs), "facts": dict(record.facts)}

    return canonical_json(told(found)) == canonical_json(told(made))
