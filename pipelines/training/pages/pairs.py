"""report.html of a run on pairs: accuracy by modality, the rounds, and examples of what was done to which modality."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2

from data.forms import Form
from data.modalities import modality
from pipelines.training.events.examples import Example
from pipelines.training.pages import charts
from pipelines.training.pages.inputs import Shown, shown


@dataclass(frozen=True)
class Part:
    """One modality of an example; `after` is None where nobody touched it."""

    name: str
    before: Shown
    after: Shown | None
    far: str


@dataclass(frozen=True)
class Card:
    """An example as the page shows it."""

    label: str
    search: str
    reason: str
    parts: Sequence[Part]
    before: str
    after: str


def render(
    figures: Mapping[str, Any],
    rows: Mapping[str, Sequence[float]],
    examples: Mapping[int, Sequence[Example]],
    forms: Mapping[str, Form],
) -> str:
    """The page.

    Args:
        figures: what report.json holds.
        rows: figure -> its value of every arm, %.
        examples: round -> its examples.
        forms: modality -> its form.
    """
    names = figures["source"]["class_names"]
    loader = jinja2.PackageLoader("pipelines.training.pages", "templates")
    template = jinja2.Environment(loader=loader, autoescape=True).get_template("pairs.html")
    shares = charts.shares_of(figures["candidates"])
    return template.render(
        figures=figures,
        rows=rows,
        contests=charts.contests_of(rows),
        rounds=charts.rounds_of(figures["made"]),
        shares=shares,
        reasons=["kept", *sorted({reason for row in figures["candidates"].values() for reason in row["refused"]})],
        cards={number: [card_of(one, names, forms) for one in some] for number, some in examples.items()},
    )


def card_of(example: Example, names: Sequence[str], forms: Mapping[str, Form]) -> Card:
    """One example: what was touched first, its companions after it."""
    order = sorted(example.values, key=lambda name: (not example.moved[name], name))
    before, after = (
        f"{names[label]} ({100 * sure:.0f} %)" for label, sure in zip(example.said, example.sure, strict=True)
    )
    parts = [_part(example, name, forms[name]) for name in order]
    search = example.search.replace("_", " ")
    return Card(names[example.label], search, example.reason.replace("_", " "), parts, before, after)


def _part(example: Example, name: str, form: Form) -> Part:
    if not (far := example.moved[name]):
        (only,) = shown(name, [example.values[name]], form)
        return Part(name, only, None, "")
    before, after = shown(name, [example.starts[name], example.values[name]], form)
    return Part(name, before, after, f"{far:.3g} {modality(name).unit}")
