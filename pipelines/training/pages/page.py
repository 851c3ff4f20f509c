"""report.html: one file, no network, readable on a phone, light and dark."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
import numpy as np
from PIL import Image

import generators.corruptions
from data.plugins import plugin_names
from pipelines.training.evaluation.statistics import spread
from pipelines.training.pages import charts
from pipelines.training.pages.previews import Preview

SCALE = 6
"""Screen pixels a pixel of a small image."""


@dataclass(frozen=True)
class Card:
    """A picture beside the sample it started from, as the page shows it; both are data URIs."""

    picture: str
    start: str
    label: int
    margin: float
    search: str


def render(
    figures: Mapping[str, Any],
    previews: Sequence[Preview],
    margins: Mapping[str, Sequence[float]],
    band: float,
) -> str:
    """The page.

    Args:
        figures: what report.json holds.
        previews: kept and refused candidates.
        margins: `margin_before` and `margin` of the kept samples.
        band: half the width of the margins asked for.
    """
    loader = jinja2.PackageLoader("pipelines.training.pages", "templates")
    template = jinja2.Environment(loader=loader, autoescape=True).get_template("report.html")
    return template.render(
        figures=figures,
        names=figures["source"]["class_names"],
        spread=spread,
        kept=_by_label([p for p in previews if not p.reason], each=6),
        refused=_by_reason([p for p in previews if p.reason], each=8),
        margins=charts.histogram_of(margins, band) if margins["margin"] else None,
        arms=charts.arms_of(figures["arms"]),
        uplift=charts.uplift_of(figures["ours_minus"]) if figures["ours_minus"] else None,
        trade_off=charts.trade_off_of(figures["arms"]),
        shares=charts.shares_of(figures["candidates"]),
        reasons=["kept", *sorted({reason for row in figures["candidates"].values() for reason in row["refused"]})],
        corruptions=len(plugin_names(generators.corruptions)),
    )


def _by_label(previews: Sequence[Preview], each: int) -> dict[int, list[Card]]:
    labels = sorted({p.label for p in previews})
    nearest = sorted(previews, key=lambda p: abs(p.margin))
    return {label: [_card(p) for p in nearest if p.label == label][:each] for label in labels}


def _by_reason(previews: Sequence[Preview], each: int) -> dict[str, list[Card]]:
    reasons = sorted({p.reason for p in previews})
    return {reason: [_card(p) for p in previews if p.reason == reason][:each] for reason in reasons}


def _card(preview: Preview) -> Card:
    pictures = (_picture(preview.pixels), _picture(preview.start))
    return Card(*pictures, preview.label, preview.margin, preview.search.replace("_", " "))


def _picture(pixels: np.ndarray) -> str:
    rows = pixels.transpose(1, 2, 0)
    image = Image.fromarray(rows[:, :, 0] if rows.shape[2] == 1 else rows)
    factor = max(1, SCALE * 8 // max(image.size))
    out = io.BytesIO()
    image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST).save(out, "png")
    return _data_uri(out.getvalue(), "image/png")


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
