"""audit.html: one file, no network; tells in five seconds whether the model is in trouble, where, and what to do."""

from collections.abc import Sequence
from dataclasses import dataclass

import jinja2

from pipelines.training.audit.charts import HEIGHT, WIDTH, chart_of
from pipelines.training.audit.figures import Audit, Corruption, NormFigures, Share
from pipelines.training.audit.pictures import Found, picture_of

NORMS = {"linf": "L∞", "l2": "L2"}
"""As people write them."""
SPACES = (*NORMS, "latent")
MOST_CLASSES = 20
"""Classes of which the page shows a matrix; of more it lists the most frequent confusions."""
SHOWN = 12
"""Rows of a list that may be as long as there are classes."""


@dataclass(frozen=True)
class Confusion:
    """One wrong answer under attack: how many of the label's samples get it."""

    label: str
    says: str
    count: int
    percent: float


def render(audit: Audit, breaks: Sequence[Found]) -> str:
    """The page: the audit's figures, and its breaks with their pixels, nearest first."""
    loader = jinja2.PackageLoader("pipelines.training", "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"percent": percent, "interval": interval, "distance": distance, "said": said}
    return environment.get_template("audit.html").render(
        audit=audit,
        names=audit.subject.class_names,
        norm_names=NORMS,
        charts={norm.norm: chart_of(norm) for norm in audit.norms},
        size=(WIDTH, HEIGHT),
        pictures={space: [picture_of(found) for found in breaks if found.about.space == space] for space in SPACES},
        confusions=_confusions(audit.norms[0], audit.subject.class_names),
        matrix=len(audit.subject.class_names) <= MOST_CLASSES,
        shown=SHOWN,
        corruptions=sorted(audit.corruptions, key=_mean),
        mean_of=_mean,
    )


def percent(value: float) -> str:
    """`97.3 %`."""
    return f"{value:.1f} %"


def interval(share: Share) -> str:
    """`95.2 to 98.5 %`."""
    return f"{share.low:.1f} to {share.high:.1f} %"


def distance(value: float | None) -> str:
    """A distance with three figures, or that there is none."""
    return "none found" if value is None else f"{value:.3g}"


def said(name: str) -> str:
    """A plug-in's name as words."""
    return name.replace("_", " ")


def _confusions(norm: NormFigures, names: Sequence[str]) -> list[Confusion]:
    found = [
        Confusion(names[label], names[says], count, 100 * count / max(1, sum(row)))
        for label, row in enumerate(norm.confusion)
        for says, count in enumerate(row)
        if count and says != label
    ]
    return sorted(found, key=lambda confusion: -confusion.count)[:SHOWN]


def _mean(corruption: Corruption) -> float:
    return sum(corruption.accuracy) / len(corruption.accuracy)
