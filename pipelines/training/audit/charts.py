"""Geometry of the page's line chart: accuracy against epsilon. The template draws it, so that themes apply."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.training.audit.figures import Curve, NormFigures

WIDTH, HEIGHT = 420, 270
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 22, 44
"""Room around the plot, in units of the drawing."""


@dataclass(frozen=True)
class Line:
    """One curve: its name, its points as SVG writes them, and the number of its style."""

    name: str
    points: str
    style: int


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where, and what it says."""

    place: float
    text: str


@dataclass(frozen=True)
class Chart:
    """Everything of the drawing that depends on the figures."""

    worst: Line
    band: str
    lines: Sequence[Line]
    across: Sequence[Tick]
    up: Sequence[Tick]
    mark: Tick
    spot: tuple[float, float]
    """Where the worst case is at the norm's epsilon."""


def chart_of(norm: NormFigures) -> Chart:
    """The chart of one norm."""
    longest = max(norm.worst.epsilons)
    worst = norm.worst
    upper, lower = (_points(worst.epsilons, side, longest) for side in (worst.high, worst.low))
    lines = [_line(curve, longest, style) for style, curve in enumerate(norm.curves)]
    return Chart(
        worst=_line(worst, longest, 0),
        band=" ".join([*upper, *reversed(lower)]),
        lines=lines,
        across=[Tick(_x(value, longest), f"{value:.3g}") for value in _round_steps(longest)],
        up=[Tick(_y(percent), f"{percent} %") for percent in (0, 25, 50, 75, 100)],
        mark=Tick(_x(norm.epsilon, longest), f"ε = {norm.epsilon:.3g}"),
        spot=(_x(norm.epsilon, longest), _y(norm.robust.percent)),
    )


def _line(curve: Curve, longest: float, style: int) -> Line:
    return Line(curve.attack, " ".join(_points(curve.epsilons, curve.robust, longest)), style)


def _points(epsilons: Sequence[float], percents: Sequence[float], longest: float) -> list[str]:
    return [f"{_x(e, longest)},{_y(p)}" for e, p in zip(epsilons, percents, strict=True)]


def _x(epsilon: float, longest: float) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * epsilon / longest, 1)


def _y(percent: float) -> float:
    return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - percent / 100), 1)


def _round_steps(longest: float) -> list[float]:
    """Three to six round values from 0 to `longest`."""
    size = 10.0**-12
    while not any(longest / (size * factor) <= 5.5 for factor in (1, 2, 5)):
        size *= 10
    step = next(size * factor for factor in (1, 2, 5) if longest / (size * factor) <= 5.5)
    return [step * n for n in range(int(longest / step + 1e-9) + 1)]
