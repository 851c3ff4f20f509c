"""What a finished command prints."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from data.plugins import plugin_names
from data.runs import Run
from data.shards import read_index
from data.store import Store
from pipelines import recipes
from pipelines.training.adaptation.stages import ARMS as ADAPTATION_ARMS
from pipelines.training.arms import OURS, SHARDS, names_among
from pipelines.training.evaluation.statistics import spread
from pipelines.training.models.brought import opinion_told
from pipelines.training.pages.bought import bought
from pipelines.training.pages.funnel import funnel_of


def show_report(path: Path) -> None:
    """The summary of a finished run, from its report.json."""
    figures, console = json.loads(path.read_text()), wide_console()
    console.print(source_told(figures["source"]), highlight=False)
    if figures["brought"]:
        console.print(f"{figures['brought']['said']}\n", highlight=False, markup=False)
    console.print(_stages(figures["stages"]))
    console.print(candidates_table(figures["candidates"]))
    for line in [*thresholds_told(figures), *([figures["budget"]["said"]] if figures["budget"] else [])]:
        console.print(line, highlight=False)
    console.print(_labels(figures["kept_labels"]["agreement"], figures["fidelity"]))
    if figures["mixes"]:
        console.print(_mixes(figures["mixes"]))
        console.print(f"\n{figures['mixes']['said']} {figures['mixes']['options']}\n", highlight=False, soft_wrap=True)
    console.print(_arms(figures))
    show_doubts(console, figures["arms"])
    if figures["rounds"]:
        console.print(rounds_table(figures["rounds"]["made"]))
        console.print(f"\n{figures['rounds']['said']}", highlight=False, markup=False)
        show_doubts(console, figures["rounds"]["arms"])
    console.print(f"\n[bold]{figures['verdict']}[/bold]\n", highlight=False)
    places = {"shards": figures["shards"]["url"], "report": path.with_name("report.html"), "figures": path}
    for name, place in places.items():
        console.print(f"{name:8} {place}", highlight=False, soft_wrap=True)


def show_doubts(console: Console, arms: Mapping[str, Any]) -> None:
    """Why an arm's robust accuracy is not to be trusted, a line a reason."""
    for name, arm in arms.items():
        for doubt in arm["doubts"]:
            console.print(f"{name}: robust accuracy is suspicious: {doubt}", highlight=False)


def show_build(recipe: recipes.Recipe, run: Run, url: str, *, as_json: bool = False) -> None:
    """The summary of a finished build."""
    found = read_index(Store(url))
    candidates = funnel_of(found.store, [manifest.name for manifest in found.manifests])
    if as_json:
        print(json.dumps({"url": url, "shards": len(found.shards), **found.facts, "candidates": candidates}))
        return
    console = wide_console()
    console.print(source_told(run.record("source").facts), highlight=False)
    if (facts := run.record("model").facts).get("validation"):
        console.print(f"{opinion_told(facts)}\n", highlight=False, markup=False)
    console.print(candidates_table(candidates))
    for line in thresholds_told(run.record(SHARDS).facts):
        console.print(line, highlight=False)
    if spent := bought(recipe, run):
        console.print(spent["said"], highlight=False)
    said = f"{found.facts['samples']} samples in {len(found.shards)} shards: {url}"
    console.print(said, highlight=False, soft_wrap=True)


def show_adaptation(path: Path) -> None:
    """The summary of a finished adaptation, from its report.json."""
    figures, console = json.loads(path.read_text()), wide_console()
    for name in ("source", "target"):
        console.print(source_told(figures[name]).replace("source", name, 1), highlight=False)
    for made in figures["sets"]:
        table = candidates_table(made["candidates"])
        table.title = f"\n{made['arm']}, round {made['round']}"
        console.print(table)
    columns = ("arm", "round", "one classifier, %", "together, %")
    table = Table(*columns, title=f"\naccuracy, {figures['measured']}", title_justify="left", box=None)
    for name in ADAPTATION_ARMS.values():
        for one in figures["arms"][name]:
            table.add_row(name, str(one["round"]), spread(one["members"]), f"{one['together']['percent']:.1f}")
    console.print(table)
    console.print(f"\n[bold]{figures['said']}[/bold]\n", highlight=False)
    places = {"shards": figures["shards"], "report": path.with_name("report.html"), "figures": path}
    for name, place in places.items():
        console.print(f"{name:8} {place}", highlight=False, soft_wrap=True)


def show_recipes(recipe: recipes.Recipe, *, as_json: bool = False) -> None:
    """The presets there are, and every option of one of them."""
    options, known = dict(recipes.options_of(asdict(recipe))), plugin_names(recipes)
    if as_json:
        print(json.dumps({"recipes": known, "recipe": recipe.name, "options": options}))
        return
    console = Console(soft_wrap=True, highlight=False, markup=False)
    for name in known:
        console.print(f"{name:24}{_first_line(name)}")
    console.print(f"\noptions of {recipe.name} (docs/reference.md says what each is for):")
    for name, value in options.items():
        console.print(f"  --{name} {recipes.typed(value)}")


def _first_line(name: str) -> str:
    """Of what a preset's file says of itself."""
    return str(import_module(f"{recipes.__name__}.{name}").__doc__).partition("\n")[0]


def wide_console() -> Console:
    """A terminal's own width; in a log, wide enough for every table."""
    console = Console()
    return console if console.is_terminal else Console(width=120)


def source_told(facts: Mapping[str, Any]) -> str:
    """How many samples there are, of each part."""
    parts = ", ".join(f"{sum(classes.values())} {part}" for part, classes in facts["kept"].items())
    bad = ", ".join(f"{reason} {count}" for reason, count in facts["quarantined"].items()) or "none"
    return f"\nsource: {facts['read']} samples of {len(facts['class_names'])} classes ({parts}; quarantined: {bad})\n"


def _stages(stages: list[dict[str, Any]]) -> Table:
    table = Table("stage", "work, s", title="stages", title_justify="left", box=None)
    for stage in stages:
        table.add_row(stage["name"], f"{stage['seconds']:.0f}")
    return table


def candidates_table(candidates: dict[str, Any]) -> Table:
    """Search by search: attempted, kept, refused and why."""
    table = Table("search", "attempted", "kept", "refused", title="\ncandidates", title_justify="left", box=None)
    for search, row in candidates.items():
        refused = ", ".join(f"{reason} {count}" for reason, count in row["refused"].items())
        share = 100 * row["kept"] / row["attempted"]
        table.add_row(search, str(row["attempted"]), f"{row['kept']} ({share:.0f} %)", refused)
    return table


def thresholds_told(facts: Mapping[str, Any]) -> list[str]:
    """A sentence for each threshold that was chosen: for which error, and what it did to planted ones."""
    found = facts["thresholds"]
    return [
        f"{name} {choice['threshold']:.3f}, chosen for {100 * found['label_error']:g} % wrong labels: of "
        f"{choice['planted']} planted candidates at the boundary it refuses {100 * choice['caught']:.1f} % of the "
        f"wrong and keeps {100 * choice['kept']:.1f} % of the right ones."
        for name, choice in found.get("chosen", {}).items()
    ]


def _labels(kept: float, fidelity: dict[str, float]) -> str:
    return (
        f"\nThe examiner (other data, no part in filtering) gives its intended label to {100 * kept:.1f} % of the kept "
        f"samples, {100 * fidelity['agreement']:.1f} % of the generator's own and "
        f"{100 * fidelity['agreement_on_real']:.1f} % of real ones. The generator's precision is "
        f"{fidelity['precision']:.2f}, its recall {fidelity['recall']:.2f} (real samples: "
        f"{fidelity['precision_of_real']:.2f}, {fidelity['recall_of_real']:.2f}).\n"
    )


def rounds_table(made: list[dict[str, Any]]) -> Table:
    """Round by round: whom it was made against, how often it fools that one and the last one, the archive."""
    columns = ("round", "made against", "fools it, %", "fools the last model, %", "archive", "dropped from it")
    table = Table(*columns, title="\nrounds", title_justify="left", box=None)
    for one in made:
        rates = (f"{100 * one[kind]:.1f}" for kind in ("attack_success", "on_newest"))
        lists = (" ".join(map(str, one[kind])) for kind in ("archive", "dropped"))
        table.add_row(str(one["round"]), one["against"][:12], *rates, *lists)
    return table


def _arms(figures: dict[str, Any]) -> Table:
    columns = ("arm", "clean, %", "corrupted", "robust, %", "ours minus this [95 %]")
    table = Table(*columns, "making, s", "training, s", "gradients", title="arms", title_justify="left", box=None)
    for name in names_among(figures["arms"]):
        arm = figures["arms"][name]
        gap = figures["ours_minus"].get(name)
        shown = f"{gap['mean']:+.1f} [{gap['low']:+.1f}, {gap['high']:+.1f}]" if gap else ""
        seconds = sum(arm["seconds"]) / len(arm["seconds"])
        figures_of_arm = (spread(arm[kind]) for kind in ("clean", "corrupted", "robust"))
        cost = (f"{arm['making_seconds']:.0f}", f"{seconds:.0f}", f"{arm['gradients']:,}")
        table.add_row(name, *figures_of_arm, escape(shown), *cost, style="bold" if name == OURS else "")
    return table


def _mixes(mixes: dict[str, Any]) -> Table:
    table = Table("mix", "clean, %", "robust, %", "work, s", title="mixes, on the validation part", box=None)
    table.title_justify = "left"
    for trial in mixes["trials"]:
        chosen = trial["said"] == mixes["chosen"]["said"]
        figures = (spread(trial["clean"]), spread(trial["robust"]), f"{trial['seconds']:.0f}")
        table.add_row(trial["said"], *figures, style="bold" if chosen else "")
    return table
