"""Geometry of curves over numbers of labels: a line for each arm, a dot for each seed. The template draws it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipelines.training.arms import OURS
from pipelines.training.pages.charts import BOTTOM, LEFT, RIGHT, TOP, WIDTH, Tick, scale_of, ticks_of

HEIGHT = 320
LETTER = 13
"""Least distance of two letters."""
TEXT = 30
"""Least distance of two numbers on the axis."""
ASIDE = 6
"""From an arm to the next, at one number of labels: drawn beside each other, seeds stay apart."""

Gap = Mapping[str, float]
"""`mean`, `low` and `high`."""


@dataclass(frozen=True)
class Place:
    """An arm at one number of labels: its mean, its seeds, and an interval where there is one."""

    x: float
    mean: float
    seeds: Sequence[float]
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Curve:
    """One arm: its letter and where that stands, its outline, its places."""

    letter: str
    name: str
    ours: bool
    style: int
    outline: str
    places: Sequence[Place]
    end: float


@dataclass(frozen=True)
class Curves:
    """Arms on one scale; `zero` is where there is no difference, if that is on it."""

    curves: Sequence[Curve]
    across: Sequence[Tick]
    up: Sequence[Tick]
    zero: float | None
    right: float
    height: int


def curves_of(
    arms: Mapping[str, Mapping[int, Sequence[float]]],
    intervals: Mapping[int, Gap] | None = None,
    names: Sequence[str] = (),
) -> Curves:
    """Curves of all arms over labels, a logarithmic scale.

    Args:
        arms: arm -> number of labels -> a value for each seed.
        intervals: of ours, by number of labels; where they are given, the values are differences, and 0 is shown.
        names: all arms of the page, whose order gives each its letter and colour; none for those given.
    """
    gaps = intervals or {}
    ends = [v for arm in arms.values() for values in arm.values() for v in values]
    ends += [gap[end] for gap in gaps.values() for end in ("low", "high")] + [0.0] * bool(gaps)
    low, high = min(ends) - 0.5, max(ends) + 0.5
    y = scale_of(low, high, HEIGHT - BOTTOM, TOP)
    numbers = sorted(next(iter(arms.values())))
    room = ASIDE * len(arms) / 2
    right = WIDTH - RIGHT - LETTER
    along = scale_of(math.log(numbers[0]), math.log(numbers[-1]), LEFT + room, right - room)
    x = {number: along(math.log(number)) for number in numbers}
    drawn = []
    for order, (name, values) in enumerate(arms.items()):
        aside = ASIDE * (order - (len(arms) - 1) / 2)
        own = gaps if name == OURS else {}
        drawn.append([_place(x[n] + aside, values[n], own.get(n), y) for n in numbers])
    letters = _apart([places[-1].mean for places in drawn])
    styles = [list(names or arms).index(name) for name in arms]
    curves = [_curve(*one) for one in zip(arms, styles, drawn, letters, strict=True)]
    return Curves(curves, _numbers(x), ticks_of(low, high, y), y(0) if gaps else None, right, HEIGHT)


def _place(x: float, values: Sequence[float], gap: Gap | None, y: Callable[[float], float]) -> Place:
    interval = (y(gap["low"]), y(gap["high"])) if gap else None
    return Place(round(x, 1), y(sum(values) / len(values)), [y(value) for value in values], interval)


def _curve(name: str, style: int, places: Sequence[Place], end: float) -> Curve:
    outline = "M" + " L".join(f"{place.x},{place.mean}" for place in places)
    return Curve(chr(ord("A") + style), name, name == OURS, style, outline, places, end)


def _apart(places: Sequence[float]) -> list[float]:
    """The same places, moved as little as leaves each letter legible: pushed down by those above, then up again."""
    order = sorted(range(len(places)), key=lambda at: places[at])
    found = [*places]
    for above, below in pairwise(order):
        found[below] = max(found[below], found[above] + LETTER)
    limit = float(HEIGHT - BOTTOM)
    for at in reversed(order):
        found[at] = limit = min(found[at], limit)
        limit -= LETTER
    return [round(place, 1) for place in found]


def _numbers(x: Mapping[int, float]) -> list[Tick]:
    """The numbers of labels where they stand, but for one whose text would run into the last."""
    ticks: list[Tick] = []
    for number, place in x.items():
        if not ticks or place - ticks[-1].place >= TEXT:
            ticks.append(Tick(place, str(number)))
    return ticks
