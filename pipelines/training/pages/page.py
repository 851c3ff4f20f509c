"""report.html: one file, no network, readable on a phone, light and dark."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

import generators.corruptions
from data.plugins import plugin_names
from pipelines.training.evaluation.statistics import spread
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
        margins=_histogram(margins, band),
        uplift=_uplift(figures["arms"]),
        trade_off=_trade_off(figures["arms"]),
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


def _histogram(margins: Mapping[str, Sequence[float]], band: float) -> str:
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    axes = figure.subplots()
    everything = [*margins["margin_before"], *margins["margin"]]
    bins = np.linspace(min(everything), max(everything), 60).tolist()
    axes.axvspan(-band, band, color="#8883", label=f"band asked for, ±{band:g}")
    axes.hist(margins["margin_before"], bins, alpha=0.7, color="#5b8db8", label="before the search")
    axes.hist(margins["margin"], bins, alpha=0.7, color="#d9792b", label="after")
    axes.set(xlabel="margin of the attacked model, logits (0 = decision boundary)", ylabel="kept samples")
    axes.legend(frameon=False)
    return _svg(figure)


def _uplift(arms: Mapping[str, Any]) -> str:
    figure = Figure(figsize=(7, 0.5 * len(arms) + 1), layout="constrained")
    axes = figure.subplots()
    for row, (name, arm) in enumerate(reversed(list(arms.items()))):
        colour = "#d9792b" if name == "real + ours" else "#5b8db8"
        axes.barh(row, np.mean(arm["robust"]), color=colour, height=0.6)
        axes.plot(arm["robust"], [row] * len(arm["robust"]), "o", color="#222", markersize=3)
    lowest = min(value for arm in arms.values() for value in arm["robust"])
    axes.set(yticks=range(len(arms)), yticklabels=list(reversed(list(arms))), xlabel="robust accuracy, % (dots: seeds)")
    axes.set_xlim(left=max(0, 10 * ((lowest - 5) // 10)))
    return _svg(figure)


def _trade_off(arms: Mapping[str, Any]) -> str:
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for (name, arm), marker in zip(arms.items(), "osD^vPX*", strict=False):
        style = "#d9792b" if name == "real + ours" else "#5b8db8"
        axes.plot(arm["clean"], arm["robust"], marker, color=style, alpha=0.8, label=name)
    axes.set(xlabel="clean accuracy, %", ylabel="robust accuracy, %")
    axes.legend(frameon=False, fontsize="small")
    return _svg(figure)


def _svg(figure: Figure) -> str:
    out = io.BytesIO()
    figure.savefig(out, format="svg", transparent=False, facecolor="white")
    return _data_uri(out.getvalue(), "image/svg+xml")
