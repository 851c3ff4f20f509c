"""A few events of each draft for the report: what was kept and what was refused, before the search and after."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from data.drafts import Judged
from data.files import write_atomically
from data.forms import Form
from data.modalities import modality
from generators.along import Fused

KEPT, REFUSED = 5, 2
"""Examples of each search in a draft, at most, each of another class."""
KINDS = "starts", "values", "moved"
"""Columns of each modality."""


@dataclass(frozen=True)
class Example:
    """One candidate, and what the model under attack says of it.

    Attributes:
        starts, values: modality -> what is kept of it, before the search and after.
        moved: modality -> how far it went, in its units.
        reason: why it was refused, or the empty string.
        said: the class that the model gives it before and after.
        sure: the probability that it gives that class.
    """

    starts: Mapping[str, np.ndarray]
    values: Mapping[str, np.ndarray]
    moved: Mapping[str, float]
    label: int
    search: str
    reason: str
    said: tuple[int, int]
    sure: tuple[float, float]


class _Place(NamedTuple):
    """Where a candidate stands: its distance to the boundary, its group, its row."""

    far: float
    group: int
    row: int


def write_examples(path: Path, judged: Sequence[Judged], model: Fused, forms: Mapping[str, Form]) -> None:
    """Keep those nearest to the boundary: of each search a few that were kept, and a few that were refused.

    Args:
        model: the one under attack.
        forms: modality -> its form.
    """
    chosen = _chosen(judged)
    columns: dict[str, list[object]] = {name: [] for name in ("label", "search", "reason", "said", "sure")}
    columns |= {f"{kind} {name}": [] for name in forms for kind in KINDS}
    for place in chosen:
        for name, value in _facts(judged[place.group], place.row, model, forms).items():
            columns[name].append(value)
    out = io.BytesIO()
    np.savez_compressed(out, **{name: np.array(column) for name, column in columns.items()})  # type: ignore[arg-type]
    write_atomically(path, out.getvalue())


def read_examples(path: Path) -> list[Example]:
    """The examples of one draft."""
    with np.load(path, allow_pickle=False) as file:
        columns = {name: file[name] for name in file.files}
    return [_example(columns, row) for row in range(len(columns["label"]))]


def _example(columns: Mapping[str, np.ndarray], row: int) -> Example:
    names = [name.removeprefix("values ") for name in columns if name.startswith("values ")]
    starts, values, moved = ({name: columns[f"{kind} {name}"][row] for name in names} for kind in KINDS)
    before, after = columns["said"][row].tolist()
    sure_before, sure_after = columns["sure"][row].tolist()
    return Example(
        starts,
        values,
        {name: float(far) for name, far in moved.items()},
        label=int(columns["label"][row]),
        search=str(columns["search"][row]),
        reason=str(columns["reason"][row]),
        said=(before, after),
        sure=(sure_before, sure_after),
    )


def _chosen(judged: Sequence[Judged]) -> list[_Place]:
    """Search by search, those kept first, the nearest to the boundary first."""
    found: dict[tuple[str, bool], dict[int, _Place]] = {}
    for number, group in enumerate(judged):
        made = group.candidates
        rows = zip(made.margins.tolist(), made.batch.labels.tolist(), group.verdict.reasons, strict=True)
        for row, (margin, label, reason) in enumerate(rows):
            place, best = _Place(abs(margin), number, row), found.setdefault((made.search, bool(reason)), {})
            best[label] = min(place, best.get(label, place))
    return [
        place
        for (_, refused), best in sorted(found.items())
        for place in sorted(best.values())[: REFUSED if refused else KEPT]
    ]


@torch.no_grad()
def _facts(group: Judged, row: int, model: Fused, forms: Mapping[str, Form]) -> dict[str, object]:
    made = group.candidates.rows(torch.tensor([row]))
    after, before = made.batch.inputs, {**made.batch.inputs, **made.starts}
    sure, said = torch.cat([model(x).softmax(1) for x in (before, after)]).max(1)
    facts: dict[str, object] = {"label": int(made.batch.labels), "search": made.search}
    facts |= {"reason": group.verdict.reasons[row], "said": said.numpy(), "sure": sure.numpy()}
    for name, form in forms.items():
        kind = modality(name)
        facts[f"starts {name}"], facts[f"values {name}"] = (kind.rest(x[name])[0].numpy() for x in (before, after))
        facts[f"moved {name}"] = float(kind.moved(after[name], before[name], form)[0])
    return facts
