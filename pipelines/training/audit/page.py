"""audit.html: one file, no network; tells in five seconds whether the model is in trouble, where, and what to do."""

from collections.abc import Sequence
from dataclasses import dataclass

import jinja2

from pipelines.training.audit.charts import HEIGHT, WIDTH, chart_of
from pipelines.training.audit.conclusions import NAMES, weakest
from pipelines.training.audit.figures import Audit, Corruption, NormFigures, Share, Space
from pipelines.training.audit.pictures import Found, Picture, picture_of

SPACES: tuple[Space, ...] = ("linf", "l2", "latent")
TITLES = {"fgsm": "FGSM", "pgd": "PGD", "apgd_ce": "APGD-CE", "apgd_dlr": "APGD-DLR", "square": "Square"}
TITLES |= {"deepfool": "DeepFool", "fab": "FAB", "cw": "C&W"}
"""Attacks as their papers call them."""
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
    loader = jinja2.PackageLoader("pipelines.training.pages", "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"percent": percent, "interval": interval, "distance": distance, "said": said}
    return environment.get_template("audit.html").render(
        audit=audit,
        names=audit.subject.class_names,
        norm_names=NAMES,
        charts={norm.norm: chart_of(norm) for norm in audit.norms},
        size=(WIDTH, HEIGHT),
        pictures={space: _pictures(breaks, space) for space in SPACES},
        first=first.name if (first := weakest(audit.norms[0])) else "",
        peak=_peak(audit.norms[0]),
        confusions=_confusions(audit.norms[0], audit.subject.class_names),
        matrix=len(audit.subject.class_names) <= MOST_CLASSES,
        shown=SHOWN,
        corruptions=sorted(audit.corruptions, key=_mean),
        mean_of=_mean,
        overall=sum(map(_mean, audit.corruptions)) / max(1, len(audit.corruptions)),
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
    """The name of an attack, corruption or check, which may have words after it, as people write it."""
    return " ".join(TITLES.get(word, word.replace("_", " ")) for word in name.split(" "))


def _pictures(breaks: Sequence[Found], space: Space) -> list[Picture]:
    return [picture_of(found) for found in breaks if found.about.space == space][: 2 * SHOWN]


def _confusions(norm: NormFigures, names: Sequence[str]) -> list[Confusion]:
    found = [
        Confusion(names[label], names[says], count, 100 * count / max(1, sum(row)))
        for label, row in enumerate(norm.confusion)
        for says, count in enumerate(row)
        if count and says != label
    ]
    return sorted(found, key=lambda confusion: -confusion.count)[:SHOWN]


def _peak(norm: NormFigures) -> int:
    """Samples in the most frequent confusion of two classes."""
    return max([1, *(n for label, row in enumerate(norm.confusion) for says, n in enumerate(row) if says != label)])


def _mean(corruption: Corruption) -> float:
    return sum(corruption.accuracy) / len(corruption.accuracy)
