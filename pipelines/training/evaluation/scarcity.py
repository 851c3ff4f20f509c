"""What do shards bring where labels are scarce? The figures of runs that differ in their number of labels alone."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import mean
from typing import Any

from data.errors import WrongUse
from pipelines.training.arms import BASELINE, OURS, names_among
from pipelines.training.evaluation.options import EvaluationOptions
from pipelines.training.evaluation.uplift import REHEARSED, conditions

SAME = ("recipe", "seed", "made_by", "evaluation", "division", "seeds")
"""What has to be the same in all runs, so that the number of labels is all that differs."""

OWN = ("name", "source.labelled", "shards.url")
"""The options in which such runs do differ."""

Report = Mapping[str, Any]
"""What report.json of a run holds."""


def figures_of(reports: Mapping[int, Report]) -> dict[str, Any]:
    """The curve as JSON, without a clock: a point for each number of labels, fewest first, and a sentence.

    Accuracies are in percent, one a seed; `gained` is in points over real samples alone, seed by seed; `ours_minus` is
    as in the run's report: paired, with an interval over seeds and samples.

    Args:
        reports: number of labels -> what report.json of that run holds.

    Raises:
        WrongUse: the runs differ in more than their labels.
    """
    found = _alike(reports)
    points = [_point(labels, reports[labels]) for labels in sorted(reports)]
    rehearsed = any(report["verdict"].startswith(REHEARSED) for report in reports.values())
    said = f"{REHEARSED}. {_said(points, found)}" if rehearsed else _said(points, found)
    return {**found, "points": points, "said": said}


def _alike(reports: Mapping[int, Report]) -> dict[str, Any]:
    """What all runs have in common."""
    first, *others = sorted(reports)
    found = _identity(reports[first])
    for labels in others:
        one = _identity(reports[labels])
        options = [name for name in {**found["options"], **one["options"]} if _unlike(name, found, one)]
        if differing := [name for name in SAME if one[name] != found[name]] or options:
            raise WrongUse(
                f"the runs with {first} and {labels} labels differ in {', '.join(differing)}, so they make no curve: "
                "run them again from the same source, with the same options"
            )
    return found


def _unlike(name: str, *runs: Mapping[str, Any]) -> bool:
    """Whether two runs have different values of an option, or one of them alone has it."""
    one, other = (run["options"].get(name, "there is none") for run in runs)
    return bool(one != other)


def _identity(report: Report) -> dict[str, Any]:
    if "made_by" not in report:
        raise WrongUse("a report.json is of version 0.8.0 or older, and does not say what made it: run that run again")
    evaluation, source = report["evaluation"], report["source"]
    tested = min(evaluation["samples"], sum(source["kept"][evaluation["part"]].values()))
    common = {name: report[name] for name in ("recipe", "seed", "made_by", "evaluation")}
    options = {name: value for name, value in report["options"].items() if name not in OWN}
    seeds = report["arms"][OURS]["seeds"]
    return {**common, "division": source["division"], "seeds": seeds, "tested": tested, "options": options}


def _point(labels: int, report: Report) -> dict[str, Any]:
    """One run: its arms in their order, and which of the others did best."""
    arms = {name: report["arms"][name] for name in names_among(report["arms"])}
    others = [name for name in arms if name not in (OURS, BASELINE)]
    gaps = {name: report["ours_minus"][name] for name in arms if name != OURS}
    return {
        "labels": labels,
        "arms": {name: _arm(arm, arms[BASELINE]) for name, arm in arms.items()},
        "ours_minus": {name: {end: gap[end] for end in ("mean", "low", "high")} for name, gap in gaps.items()},
        "best_other": max(others, key=lambda name: mean(arms[name]["robust"])),
    }


def _arm(arm: Mapping[str, Any], baseline: Mapping[str, Any]) -> dict[str, Any]:
    gained = [round(one - real, 3) for one, real in zip(arm["robust"], baseline["robust"], strict=True)]
    return {"clean": arm["clean"], "robust": arm["robust"], "gained": gained, "doubts": arm["doubts"]}


def _said(points: Sequence[Mapping[str, Any]], found: Mapping[str, Any]) -> str:
    """One sentence, and a second where a figure is not to be trusted; no interval that holds 0 tells anything apart."""
    real = _each((point["labels"], point["ours_minus"][BASELINE], "") for point in points)
    best = _each((point["labels"], point["ours_minus"][point["best_other"]], point["best_other"]) for point in points)
    doubted = [
        f"{name} with {point['labels']}"
        for point in points
        for name in (OURS, BASELINE, point["best_other"])
        if point["arms"][name]["doubts"]
    ]
    warning = f" Not to be trusted: the masking checks doubt {', '.join(doubted)}." if doubted else ""
    about = conditions(EvaluationOptions(**found["evaluation"]), found["tested"], len(found["seeds"]))
    return (
        f"With the shards robust accuracy is, against {BASELINE}, {real}; against the best other arm of each number, "
        f"{best} ({about}).{warning}"
    )


def _each(gaps: Iterable[tuple[int, Mapping[str, float], str]]) -> str:
    """What comes of ours minus another arm, point by point: with how many labels, by how much, and against whom."""
    return ", ".join(_one(labels, gap, f", {name}" if name else "") for labels, gap, name in gaps)


def _one(labels: int, gap: Mapping[str, float], whom: str) -> str:
    told = "higher" if gap["low"] > 0 else "lower" if gap["high"] < 0 else "not told apart"
    figures = f"{gap['mean']:+.1f} points [{gap['low']:+.1f}, {gap['high']:+.1f}]"
    return f"{told} with {labels} labels ({figures}{whom})"
