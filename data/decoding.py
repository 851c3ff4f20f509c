"""Whether the members of a tar are what they should be, each kind looked at in one go over the whole tar."""

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, cast

import numpy as np

from data.errors import Damaged
from data.forms import forms_of
from data.modalities import modality
from data.tars import BLOCK, Member

Problem = tuple[str, str]
"""Member, or the empty string, and what is wrong."""


class Expected(NamedTuple):
    """What the manifest says of a tar's samples, in their order."""

    keys: list[str]
    offsets: list[int]
    labels: list[int]


def problems_of(
    tar: bytes,
    members: Sequence[Member],
    facts: Mapping[str, object],
    expected: Expected | None,
    *,
    quick: bool = False,
) -> Iterator[Problem]:
    """What is wrong with the members of a tar that is whole as a tar.

    Args:
        tar: its bytes.
        members: all of its members, in order.
        facts: the set's index.
        expected: by the manifest; None where that is lost.
        quick: trust the CRC-32 of an image's chunks instead of unpacking its pixels.
    """
    kinds = cast(Mapping[str, str], facts["members"])
    extensions, each = sorted(kinds), len(kinds)
    firsts = members[::each]
    keys = [member.name.partition(".")[0] for member in firsts]
    names = [f"{key}.{extension}" for key in keys for extension in extensions]
    if names != [member.name for member in members]:
        wrong = next((m.name for m, name in zip(members, names, strict=False) if m.name != name), members[-1].name)
        yield wrong, f"a sample has the members {', '.join(extensions)}, side by side, and this is out of place"
        return
    labels = None if expected is None else expected.labels
    if expected is not None and (keys, [m.offset - BLOCK for m in firsts]) != (expected.keys, expected.offsets):
        yield "", "its samples are not those that the manifest lists, or lie elsewhere"
        labels = None
    for place, extension in enumerate(extensions):
        if (look := _KINDS.get(kinds[extension])) is not None:
            mine = members[place::each]
            for row, problem in look([tar[m.offset : m.offset + m.size] for m in mine], facts, labels, quick):
                yield mine[row].name, problem


Found = Iterator[tuple[int, str]]
"""Row, and what is wrong there."""


def _labels(found: Sequence[bytes], facts: Mapping[str, object], expected: list[int] | None, quick: bool) -> Found:
    classes = len(cast(list[str], facts["class_names"]))
    allowed = {str(label).encode(): label for label in range(classes)}
    for row, content in enumerate(found):
        if content not in allowed:
            yield row, f"{content[:20]!r} is no label of {classes} classes"
        elif expected is not None and allowed[content] != expected[row]:
            yield row, f"the label is {content.decode()}, but {expected[row]} in the manifest"


def _facts(found: Sequence[bytes], facts: Mapping[str, object], expected: list[int] | None, quick: bool) -> Found:
    values = _parsed(found)
    fields = list(values[0]) if values else []
    for row, value in enumerate(values):
        if "" in value:
            yield row, f"no JSON: {value['']}"
        elif list(value) != fields:
            yield row, f"its fields are {', '.join(value)}, others' {', '.join(fields)}"
        elif expected is not None and value.get("label") != expected[row]:
            yield row, f"its label is {value.get('label')}, but {expected[row]} in the manifest"


def _parsed(found: Sequence[bytes]) -> list[dict[str, object]]:
    """The objects, parsed together where all are sound; {"": why} for one that is not."""
    with suppress(ValueError):
        values = json.loads(b"[" + b",".join(found) + b"]")
        if len(values) == len(found) and all(isinstance(value, dict) for value in values):
            return cast(list[dict[str, object]], values)
    return [_object(content) for content in found]


def _object(content: bytes) -> dict[str, object]:
    try:
        value = json.loads(content)
    except ValueError as error:
        return {"": error}
    return value if isinstance(value, dict) else {"": f"{type(value).__name__}, not an object"}


def _inputs(name: str) -> "_Look":
    def look(found: Sequence[bytes], facts: Mapping[str, object], expected: list[int] | None, quick: bool) -> Found:
        kind, form = modality(name), forms_of(facts).get(name)
        for row, content in enumerate(found):
            if form is None:
                yield row, f"{name}, of which the index gives no shape"
                continue
            try:
                kind.check(content, form, quick=quick)
            except Damaged as error:
                yield row, str(error)

    return look


def _soft_labels(found: Sequence[bytes], facts: Mapping[str, object], expected: list[int] | None, quick: bool) -> Found:
    classes = len(cast(list[str], facts["class_names"]))
    plain = io.BytesIO()
    np.save(plain, np.zeros(classes, dtype=np.float32), allow_pickle=False)
    head = plain.getvalue()[: -4 * classes]
    whole = [len(c) == len(head) + 4 * classes and c.startswith(head) for c in found]
    for row in np.flatnonzero(~np.array(whole, dtype=bool)).tolist():
        yield row, f"no float32 array of {classes} probabilities"
    rows = np.flatnonzero(whole)
    values = np.frombuffer(b"".join(found[row][len(head) :] for row in rows.tolist()), "<f4").reshape(-1, classes)
    bad = ~((values >= 0).all(1) & (np.abs(values.sum(1) - 1) < 1e-3))
    for row in rows[bad].tolist():
        yield row, "probabilities are negative, not numbers, or do not sum to 1"


_Look = Callable[[Sequence[bytes], Mapping[str, object], list[int] | None, bool], Found]
_KINDS: Mapping[str, _Look] = {
    "label": _labels,
    "facts": _facts,
    "soft_label": _soft_labels,
    **{name: _inputs(name) for name in ("image", "audio", "features", "text")},
}
