"""What a finished audit prints: the sentence that matters, what to do, and where the page is."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.training.audit.conclusions import NAMES

STYLES = {"holds": "green", "weak": "yellow", "breaks": "red", "untrusted": "red"}
CLASSES = 5
"""Classes shown, the weakest first."""


def show_audit(path: Path) -> None:
    """The summary of a finished audit, from its audit.json."""
    figures, console = json.loads(path.read_text()), Console()
    for norm in figures["norms"]:
        console.print(_attacks(norm))
    console.print(_classes(figures["norms"][0]))
    if figures["trust"] is not None and figures["trust"]["verdict"] == "suspicious":
        for check in figures["trust"]["checks"]:
            if not check["passed"]:
                console.print(f"suspicious: {check['reason']}", highlight=False, markup=False)
    style = STYLES[figures["level"]]
    console.print(f"\n[bold {style}]{escape(figures['headline'])}.[/] {escape(figures['sentence'])}\n", highlight=False)
    for number, advice in enumerate(figures["advice"], 1):
        console.print(f"{number}. {escape(advice['title'])}", highlight=False)
        if advice["command"]:
            console.print(f"   {advice['command']}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"\npage     {path.with_suffix('.html')}\nfigures  {path}", highlight=False, soft_wrap=True)


def _attacks(norm: dict[str, Any]) -> Table:
    at = f"{NAMES[norm['norm']]} {norm['epsilon']:.3g}"
    table = Table("attack", "robust, %", "smallest on", title=f"\n{at}", title_justify="left", box=None)
    for row in norm["attacks"]:
        alone = row["kind"] != "survivors"
        name = row["attack"] if alone else f"then {row['attack']}"
        first = str(row["first"]) if alone else f"broke {row['first']}"
        table.add_row(name, f"{row['robust']['percent']:.1f}", first)
    table.add_row("worst of all", _percent(norm["robust"]), "", style="bold")
    return table


def _classes(norm: dict[str, Any]) -> Table:
    table = Table("class", "clean, %", "robust, %", "taken for", title="\nclasses", title_justify="left", box=None)
    for row in norm["classes"][:CLASSES]:
        table.add_row(row["name"], f"{row['clean']['percent']:.0f}", _percent(row["robust"]), row["becomes"])
    return table


def _percent(share: dict[str, float]) -> str:
    return escape(f"{share['percent']:.1f} [{share['low']:.1f}, {share['high']:.1f}]")
