"""WebDataset tars, whoever made them: samples of an image (png, jpg, jpeg, webp) and a label (cls, or json "label").

With `source.modality` audio, features or text their flac or wav, npy or txt members are read instead of the images; so
the same tars, named twice, give pairs by their keys.
"""

import json
from collections.abc import Iterator, Sequence

from data.errors import Damaged
from data.foreign import read_members
from data.sources import Found, Source, SourceOptions, files_of, kind_of, part_of, stream_of
from data.store import Store

_INPUTS = {
    "image": ("png", "jpg", "jpeg", "webp"),
    "audio": ("flac", "wav"),
    "features": ("npy",),
    "text": ("txt",),
}
_LABELS = ("cls", "json")
"""Of a sample's other members only the names are kept."""


def webdataset(options: SourceOptions) -> Source:
    """One tar or a folder of them; `train-000000.tar` and the like name the parts."""
    store, names = files_of(options, ".tar")
    kind = kind_of(options)
    return Source((), (found for name in names for found in _samples(store, name, _INPUTS[kind])), kind)


def _samples(store: Store, name: str, inputs: Sequence[str]) -> Iterator[Found]:
    for key, members in _grouped(store, name, (*inputs, *_LABELS)):
        content = next((members[extension] for extension in inputs if extension in members), b"")
        yield Found(f"{name} {key}", content, _label(members), part_of(name), name=key)


def _grouped(store: Store, name: str, read: Sequence[str]) -> Iterator[tuple[str, dict[str, bytes]]]:
    """A sample's members lie side by side; its key goes up to the first dot of the file's name."""
    last, members = "", dict[str, bytes]()
    try:
        with stream_of(store, name) as tar:
            for _, path, content in read_members(tar):
                folder, _, file = path.rpartition("/")
                stem, _, extension = file.partition(".")
                key = f"{folder}/{stem}"
                if members and (key != last or extension.lower() in members):
                    yield last.lstrip("/"), members
                    members = {}
                last = key
                members[extension.lower()] = content if extension.lower() in read else b""
    except Damaged as error:
        raise Damaged(f"{store.where(name)}: {error}") from error
    if members:
        yield last.lstrip("/"), members


def _label(members: dict[str, bytes]) -> int | str | None:
    try:
        if "cls" in members:
            text = members["cls"].decode().strip()
            return int(text) if text.lstrip("-").isdigit() else text or None
        found = json.loads(members.get("json", b"{}"))
    except (ValueError, RecursionError):
        return None
    label = found.get("label") if isinstance(found, dict) else None
    return label if isinstance(label, int | str) else None
