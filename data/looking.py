"""Looks at samples one by one: what each is, brought to one form, or why it is none."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

import pyarrow as pa

from data.forms import Form
from data.modalities import Fit, Held, Modality
from data.refused import Refused
from data.sources import PROBLEMS, Found, SourceOptions


class Row(NamedTuple):
    """What is known of a sample when it has been looked at; a reason says why it is none."""

    where: str
    key: bytes = bytes(16)
    label: str = ""
    numbered: bool = False
    declared: str = ""
    name: str = ""
    reason: str = ""
    detail: str = ""


ROWS = pa.schema(
    {
        "where": pa.string(),
        "key": pa.binary(16),
        "label": pa.string(),
        "numbered": pa.bool_(),
        "declared": pa.string(),
        "name": pa.string(),
        "reason": pa.string(),
        "detail": pa.string(),
    }
)


class Look(NamedTuple):
    """How samples are looked at: class names or none, what they are, and how they come to one form."""

    names: Sequence[str]
    kind: Modality
    fit: Fit

    def taken(self, found: Found) -> Held:
        """Its values; raises Refused."""
        return self.kind.take(found.content, self.fit)


def fit_of(options: SourceOptions) -> Fit:
    """What the options say of the form."""
    return Fit(options.size, options.channels, options.length)


def form_of(first: Sequence[Found], look: Look) -> Form:
    """The form that most of the first samples have; one without a shape where none is good."""
    forms: Counter[Form] = Counter()
    for found in first:
        try:
            forms[look.taken(found).form] += 1
        except Refused:
            continue
    return max(forms, key=lambda form: (forms[form], form.shape, form.rate), default=Form(()))


def looked_at(samples: Iterator[Found], look: Look, form: Form, values: BinaryIO) -> Iterator[Row]:
    """What is known of each sample; the values of those that are good are written one after the other."""
    for found in samples:
        try:
            if found.problem:
                raise Refused(found.problem, PROBLEMS[found.problem])
            label = _label_of(found.label, look.names)
            held = look.taken(found)
            form = form if form.shape else held.form
            if held.form != form:
                raise Refused("wrong_size", _unlike(held.form, form, look.kind))
        except Refused as error:
            yield Row(_spelled(found.where), reason=error.reason, detail=error.detail)
        else:
            content = held.values.tobytes()
            key = hashlib.sha256(str(held.values.shape).encode() + content).digest()[:16]
            values.write(content)
            numbered = isinstance(found.label, int) and not look.names
            where, name = _spelled(found.where), _spelled(found.name or found.where)
            yield Row(where, key, label, numbered, found.part or "", name)


def _spelled(name: str) -> str:
    """A name of a file as text: bytes that are no UTF-8 are written as escapes."""
    return name.encode("utf-8", "backslashreplace").decode()


def _unlike(found: Form, most: Form, kind: Modality) -> str:
    if found.rate != most.rate:
        return f"{found.rate} samples a second, but most have {most.rate}"
    options = "source.size and channels" if kind.extension == "png" else "source.length"
    return f"{found.shape}, but most are {most.shape}: see {options}"


def _label_of(label: int | str | None, names: Sequence[str]) -> str:
    """The class's name, or the label as text where the source has no names."""
    if label is None:
        raise Refused("no_label", "no label")
    if isinstance(label, int) and names and 0 <= label < len(names):
        return names[label]
    if (isinstance(label, str) and not names and label.isprintable()) or label in names:
        return str(label)
    if isinstance(label, str) or names or label < 0:
        raise Refused("label_out_of_range", f"label {label!r} of {len(names)} classes")
    return str(label)
