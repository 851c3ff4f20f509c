"""The curve of runs that differ in their labels: scarcity.json for scripts, scarcity.html for people, a table."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from data.errors import WrongUse
from data.files import canonical_json, write_atomically
from pipelines.training.arms import BASELINE, OURS, names_among
from pipelines.training.evaluation.scarcity import figures_of
from pipelines.training.evaluation.statistics import spread
from pipelines.training.pages import charts
from pipelines.training.pages.curves import curves_of
from pipelines.training.pages.terminal import wide_console
from pipelines.training.scarcity import folder_of, name_of


def write(run: Path, labels: Sequence[int]) -> Path:
    """Write both from the reports of finished runs; returns the path of scarcity.json.

    Args:
        run: the folder that holds the runs.
        labels: their numbers of labels.

    Raises:
        WrongUse: a run is not finished, or they differ in more than their labels.
    """
    figures = figures_of({number: _report(folder_of(run, number)) for number in labels})
    write_atomically(run / "scarcity.html", render(figures).encode())
    path = run / "scarcity.json"
    write_atomically(path, canonical_json(figures))
    return path


def _report(folder: Path) -> Mapping[str, Any]:
    path = folder / "report.json"
    if not path.is_file():
        raise WrongUse(f"{folder} has no report.json: that run is not finished")
    return json.loads(path.read_bytes())  # type: ignore[no-any-return]


def render(figures: Mapping[str, Any]) -> str:
    """The page, from what scarcity.json holds."""
    loader = jinja2.PackageLoader("pipelines.training.pages", "templates")
    template = jinja2.Environment(loader=loader, autoescape=True).get_template("scarcity.html")
    points, names = figures["points"], _names(figures["points"])
    gain = {point["labels"]: point["ours_minus"][BASELINE] for point in points}
    return template.render(
        figures=figures,
        names=names,
        ours=OURS,
        baseline=BASELINE,
        spread=spread,
        folder=name_of,
        gained=curves_of(_by_arm(points, "gained", names[1:]), gain, names),
        robust=curves_of(_by_arm(points, "robust", names)),
        gaps={point["labels"]: charts.uplift_of(point["ours_minus"]) for point in points},
    )


def _names(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """The arms in their order; JSON sorts them."""
    return names_among(points[0]["arms"])


def _by_arm(points: Sequence[Mapping[str, Any]], kind: str, names: Sequence[str]) -> dict[str, dict[int, list[float]]]:
    return {name: {point["labels"]: point["arms"][name][kind] for point in points} for name in names}


def show_scarcity(path: Path) -> None:
    """The summary of finished runs, from their scarcity.json."""
    figures, console = json.loads(path.read_text()), wide_console()
    points = figures["points"]
    for title, said in (("robust accuracy, %", _robust), ("ours minus this arm, points [95 %]", _gap)):
        console.print(_table(points, title, said))
    _show_doubts(console, points)
    console.print(f"\n[bold]{escape(figures['said'])}[/bold]\n", highlight=False)
    for name, place in {"report": path.with_suffix(".html"), "figures": path}.items():
        console.print(f"{name:8} {place}", highlight=False, soft_wrap=True)


def _table(points: Sequence[Mapping[str, Any]], title: str, said: Callable[[Mapping[str, Any], str], str]) -> Table:
    """A row an arm, a column a number of labels."""
    columns = [f"{point['labels']} labels" for point in points]
    table = Table("arm", *columns, title=f"\n{title}", title_justify="left", box=None)
    for name in _names(points):
        table.add_row(name, *(escape(said(point, name)) for point in points), style="bold" if name == OURS else "")
    return table


def _robust(point: Mapping[str, Any], name: str) -> str:
    return spread(point["arms"][name]["robust"])


def _gap(point: Mapping[str, Any], name: str) -> str:
    gap = point["ours_minus"].get(name)
    return f"{gap['mean']:+.1f} [{gap['low']:+.1f}, {gap['high']:+.1f}]" if gap else ""


def _show_doubts(console: Console, points: Sequence[Mapping[str, Any]]) -> None:
    for point in points:
        for name, arm in point["arms"].items():
            for doubt in arm["doubts"]:
                said = f"{name} with {point['labels']} labels: robust accuracy is suspicious: {doubt}"
                console.print(said, highlight=False, markup=False)
