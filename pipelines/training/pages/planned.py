"""What `hardshard plan` prints."""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from data.outlook import Stage
from pipelines.training.planning import Forecast, Plan, kind_of

FEW = 3
"""Reasons that are spelled out."""
GUESSED = "~ by the record of other options or samples: times the steps of training where these changed, else as it was"


def show_plan(plan: Plan, title: str, *, as_json: bool = False) -> None:
    """A line for each run of stages that are to be done for one reason, and what that will come to."""
    print(json.dumps(plan.as_json, indent=1) if as_json else "\n".join([title, "", *_told(plan)]))


def _told(plan: Plan) -> Iterator[str]:
    for flow, stages in plan.stages.items():
        done = sum(stage.done for stage in stages)
        yield f"{flow}: {done} of {len(stages)} stages done"
        for _, alike in groupby((s for s in stages if not s.done), key=lambda s: (_family(s), s.why)):
            yield f"  {_named(group := list(alike))}{_lasting(plan, group)}: {_because(group[0].why)}"
    yield ""
    yield _summary(plan)
    if any(map(plan.is_guessed, plan.todo)):
        yield GUESSED
    if plan.forecast:
        yield ""
        yield from _expected(plan.forecast)


def _family(stage: Stage) -> str:
    """Stages that a line can tell together: those of one kind, and all that rounds repeat."""
    return "rounds" if re.match(r"rounds/\d|round-model-\d", stage.name) else kind_of(stage)


def _named(group: Sequence[Stage]) -> str:
    names = [stage.name for stage in group]
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1].rpartition('/')[2]} ({len(names)})"


def _lasting(plan: Plan, group: Sequence[Stage]) -> str:
    seconds = [plan.seconds_of(stage) for stage in group]
    known = [one for one in seconds if one is not None]
    return f", {_mark(plan, group)}{_spelled(sum(known))}" if len(known) == len(seconds) else ""


def _mark(plan: Plan, group: Sequence[Stage]) -> str:
    return "~" if any(map(plan.is_guessed, group)) else ""


def _because(why: Sequence[str]) -> str:
    more = f" and {len(why) - FEW} more" if len(why) > FEW else ""
    return "; ".join(why[:FEW]) + more


def _summary(plan: Plan) -> str:
    if not plan.todo:
        return "nothing to do"
    seconds = [plan.seconds_of(stage) for stage in plan.todo]
    known = [one for one in seconds if one is not None]
    unknown = len(seconds) - len(known)
    told = [f"{len(plan.todo)} stages to do"]
    if known:
        told.append(f"{_mark(plan, plan.todo)}{_spelled(sum(known))} of one core's work")
    if unknown:
        told.append(f"{unknown} of them never done here: nobody knows how long they take")
    return ", ".join(told)


def _expected(forecast: Forecast) -> Iterator[str]:
    tried, kept = sum(forecast.candidates.values()), sum(forecast.accepted.values())
    yield (
        f"the set, by the probe: {tried:,} candidates, about {kept:,.0f} accepted, {_spelled(forecast.seconds)} of "
        f"search and checks, {forecast.disk / 1e6:.1f} MB"
    )
    for search, count in forecast.candidates.items():
        share = forecast.accepted[search] / count if count else 0.0
        yield f"  {search:20} {count:>9,} candidates, {forecast.accepted[search]:>9,.0f} accepted ({100 * share:.0f} %)"
    if forecast.bound:
        yield "  the minutes bind: budget.minutes buys fewer than budget.accepted asks for"


def _spelled(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"
