"""Geometry of the report's charts. The template draws them, so that light and dark, phone and desk apply."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.training.arms import OURS

WIDTH = 420
"""Of every drawing, in its own units; what is drawn stays readable at 330 screen pixels."""
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 10, 40
"""Room around what is plotted."""
ROW = 36
"""Height of a row that bears its name above its marks."""
BINS = 48


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where, and what it says."""

    place: float
    text: str


@dataclass(frozen=True)
class Histogram:
    """Margins before and after the search, each as the outline of its bars."""

    before: str
    after: str
    band: tuple[float, float]
    """Where the band asked for begins, and how wide it is."""
    zero: float
    across: Sequence[Tick]
    up: Sequence[Tick]
    height: int


@dataclass(frozen=True)
class Row:
    """One arm: its name, the marks of its seeds, and what stands out: its mean; an interval where there is one."""

    name: str
    ours: bool
    y: float
    dots: Sequence[float]
    mean: float
    interval: tuple[float, float] | None
    said: str


@dataclass(frozen=True)
class Rows:
    """Arms below each other on one scale; `zero` is where there is no difference, if that is on it."""

    rows: Sequence[Row]
    across: Sequence[Tick]
    zero: float | None
    height: int


@dataclass(frozen=True)
class Spot:
    """An arm in the trade-off: its letter, its mean, its seeds."""

    letter: str
    name: str
    ours: bool
    at: tuple[float, float]
    seeds: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class TradeOff:
    """Clean against robust accuracy."""

    spots: Sequence[Spot]
    across: Sequence[Tick]
    up: Sequence[Tick]
    height: int


@dataclass(frozen=True)
class Share:
    """A piece of a bar: what became of so many candidates, in percent of those attempted."""

    reason: str
    count: int
    percent: float
    style: int


@dataclass(frozen=True)
class Line:
    """One course over the rounds: its outline, and each round's place."""

    name: str
    ours: bool
    outline: str
    dots: Sequence[tuple[float, float]]
    said: str


@dataclass(frozen=True)
class Lines:
    """Courses on one scale."""

    lines: Sequence[Line]
    across: Sequence[Tick]
    up: Sequence[Tick]
    height: int


@dataclass(frozen=True)
class Contest:
    """One figure of several classifiers: a place for each, in their order."""

    name: str
    y: float
    places: Sequence[float]
    said: str


@dataclass(frozen=True)
class Contests:
    """Figures below each other on one scale."""

    rows: Sequence[Contest]
    across: Sequence[Tick]
    height: int


def histogram_of(margins: Mapping[str, Sequence[float]], band: float, height: int = 230) -> Histogram:
    """Of `margin_before` and `margin`, in bins of equal width over both."""
    both = [*margins["margin_before"], *margins["margin"], -band, band]
    low, high = min(both), max(both)
    counts = {name: _binned(margins[name], low, high) for name in ("margin_before", "margin")}
    most = max(1, *(max(each) for each in counts.values()))
    x, y = scale_of(low, high, LEFT, WIDTH - RIGHT), scale_of(0, most, height - BOTTOM, TOP)
    edges = [x(low + (high - low) * place / BINS) for place in range(BINS + 1)]
    return Histogram(
        before=_outline(edges, [y(n) for n in counts["margin_before"]], y(0)),
        after=_outline(edges, [y(n) for n in counts["margin"]], y(0)),
        band=(x(-band), round(x(band) - x(-band), 1)),
        zero=x(0),
        across=ticks_of(low, high, x),
        up=ticks_of(0, most, y),
        height=height,
    )


def arms_of(arms: Mapping[str, Any]) -> Rows:
    """Robust accuracy of every arm, %, a dot for each seed."""
    values = [value for arm in arms.values() for value in arm["robust"]]
    low, high = max(0.0, min(values) - 2), min(100.0, max(values) + 2)
    x = scale_of(low, high, RIGHT, WIDTH - RIGHT)
    rows = [
        Row(name, name == OURS, _y(place), [x(v) for v in arm["robust"]], x(mean), None, f"{mean:.1f} %")
        for place, (name, arm) in enumerate(arms.items())
        for mean in [sum(arm["robust"]) / len(arm["robust"])]
    ]
    return Rows(rows, ticks_of(low, high, x), None, _y(len(rows)) + BOTTOM - ROW // 2)


def uplift_of(gaps: Mapping[str, Mapping[str, float]]) -> Rows:
    """Ours minus each other arm, points of robust accuracy, with its 95 % interval."""
    ends = [0.0, *(gap[end] for gap in gaps.values() for end in ("low", "high"))]
    x = scale_of(min(ends) - 0.5, max(ends) + 0.5, RIGHT, WIDTH - RIGHT)
    rows = [
        Row(name, False, _y(place), [], x(gap["mean"]), (x(gap["low"]), x(gap["high"])), _signed(gap))
        for place, (name, gap) in enumerate(gaps.items())
    ]
    ticks = ticks_of(min(ends) - 0.5, max(ends) + 0.5, x)
    return Rows(rows, ticks, x(0), _y(len(rows)) + BOTTOM - ROW // 2)


def trade_off_of(arms: Mapping[str, Any], height: int = 300) -> TradeOff:
    """Clean against robust accuracy of every arm."""
    clean, robust = ([v for arm in arms.values() for v in arm[kind]] for kind in ("clean", "robust"))
    x = scale_of(min(clean) - 0.5, max(clean) + 0.5, LEFT, WIDTH - RIGHT)
    y = scale_of(min(robust) - 1, max(robust) + 1, height - BOTTOM, TOP)
    spots = [
        Spot(chr(ord("A") + place), name, name == OURS, (_mean(across), _mean(up)), list(zip(across, up, strict=True)))
        for place, (name, arm) in enumerate(arms.items())
        for across, up in [([x(v) for v in arm["clean"]], [y(v) for v in arm["robust"]])]
    ]
    ticks = ticks_of(min(clean) - 0.5, max(clean) + 0.5, x), ticks_of(min(robust) - 1, max(robust) + 1, y)
    return TradeOff(spots, *ticks, height)


def shares_of(candidates: Mapping[str, Any]) -> Mapping[str, Sequence[Share]]:
    """Search -> what became of its candidates, those kept first; a reason has one style in all searches."""
    reasons = sorted({reason for row in candidates.values() for reason in row["refused"]})
    return {
        search: [
            Share(reason, count, 100 * count / row["attempted"], style)
            for style, reason in enumerate(["kept", *reasons])
            if (count := row["kept"] if not style else row["refused"].get(reason, 0))
        ]
        for search, row in candidates.items()
        if row["attempted"]
    }


def rounds_of(made: Sequence[Mapping[str, Any]], height: int = 230) -> Lines:
    """Of each round's shard, the share that fools the model it was made against, and the last one, %."""
    kinds = {"fools the model it was made against": "attack_success", "fools the last model": "on_newest"}
    rates = {name: [100.0 * one[kind] for one in made] for name, kind in kinds.items()}
    most = max(1.0, *(rate for line in rates.values() for rate in line))
    first, last = made[0]["round"], made[-1]["round"]
    x, y = scale_of(first - 0.5, last + 0.5, LEFT, WIDTH - RIGHT), scale_of(0, most, height - BOTTOM, TOP)
    lines = [
        Line(name, not place, "M" + " L".join(f"{a},{b}" for a, b in dots), dots, f"{line[0]:.1f} to {line[-1]:.1f} %")
        for place, (name, line) in enumerate(rates.items())
        for dots in [[(x(one["round"]), y(rate)) for one, rate in zip(made, line, strict=True)]]
    ]
    whole = [tick for tick in ticks_of(first, last, x) if "." not in tick.text]
    return Lines(lines, whole, ticks_of(0, most, y), height)


def contests_of(figures: Mapping[str, Sequence[float]]) -> Contests:
    """Figure -> its value of every classifier, %; they share a scale from 0 to 100."""
    x = scale_of(0, 100, RIGHT, WIDTH - RIGHT)
    rows = [
        Contest(name, _y(place), [x(value) for value in values], " · ".join(f"{value:.1f}" for value in values))
        for place, (name, values) in enumerate(figures.items())
    ]
    return Contests(rows, ticks_of(0, 100, x), _y(len(rows)) + BOTTOM - ROW // 2)


def _binned(values: Sequence[float], low: float, high: float) -> list[int]:
    counts = [0] * BINS
    for value in values:
        counts[min(BINS - 1, int((value - low) / (high - low) * BINS))] += 1
    return counts


def _outline(edges: Sequence[float], tops: Sequence[float], ground: float) -> str:
    steps = " ".join(f"V{top} H{right}" for top, right in zip(tops, edges[1:], strict=True))
    return f"M{edges[0]},{ground} {steps} V{ground} Z"


def scale_of(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """From values to places; no width of values is one."""
    return lambda value: round(start + (end - start) * (value - low) / ((high - low) or 1), 1)


def ticks_of(low: float, high: float, place: Callable[[float], float]) -> list[Tick]:
    """Three to six round values from `low` to `high`."""
    width = (high - low) or 1.0
    size = 10.0 ** math.floor(math.log10(width / 5))
    step = next(size * factor for factor in (1, 2, 5, 10) if width / (size * factor) <= 5.5)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [Tick(place(step * number), f"{step * number:.10g}") for number in range(first, last + 1)]


def _y(place: int) -> int:
    """Height of the marks of the row at `place`."""
    return TOP + ROW * place + ROW * 2 // 3


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 1)


def _signed(gap: Mapping[str, float]) -> str:
    return f"{gap['mean']:+.1f} [{gap['low']:+.1f}, {gap['high']:+.1f}]"
