"""What a finished run on events tells: report.json for scripts, report.html for people, tables for the terminal."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any, cast

from rich.table import Table

from data.files import canonical_json, write_atomically
from data.runs import Facts, Run
from pipelines.recipes import Recipe
from pipelines.training.drafting import preview_file
from pipelines.training.events.examples import read_examples
from pipelines.training.events.participants import pairs_of
from pipelines.training.pages import pairs
from pipelines.training.pages.terminal import candidates_table, rounds_table, source_told, wide_console
from pipelines.training.rounds import stages as rounds
from pipelines.training.rounds.figures import made_of, of_kept
from pipelines.training.rounds.places import set_folder

ARMS = ("rounds", "attack in the loop", "plain")


def write(recipe: Recipe, run: Run) -> Path:
    """Write both reports; returns the path of report.json.

    Raises:
        WrongUse: a stage is not finished.
    """
    figures, path = figures_of(recipe, run), run.path("report.json")
    ends = sorted({1, len(figures["made"])})
    examples = {number: read_examples(run.path(preview_file(set_folder(number), number))) for number in ends}
    html = pairs.render(figures, rows_of(figures["arms"]), examples, pairs_of(run.folder).forms())
    write_atomically(run.path("report.html"), html.encode())
    write_atomically(path, canonical_json(figures))
    return path


def figures_of(recipe: Recipe, run: Run) -> dict[str, Any]:
    """All that the report says, as JSON."""
    found = dict(zip(ARMS, rounds.accuracies(recipe, run).values(), strict=True))
    arms = {name: figures_of_arm(record.facts) for name, record in found.items()}
    last = rounds.last_round(recipe, run)
    sets = [run.record(set_folder(number)) for number in range(1, last + 1)]
    return {
        "recipe": recipe.name,
        "seed": recipe.seed,
        "source": run.record("source").facts,
        "epsilon": recipe.events.epsilon,
        "part": recipe.evaluation.part,
        "made": made_of(recipe, run),
        "candidates": totals([cast(Mapping[str, Any], one.facts["candidates"]) for one in sets]),
        "arms": arms,
        "kept": rounds.kept_round(recipe, run),
        "said": said_of(recipe, last, arms) + of_kept(recipe, run),
    }


def figures_of_arm(facts: Facts) -> dict[str, Any]:
    """Of one classifier, all in percent but `divergence`, which is in nats, and `broken`, which counts events."""
    single, without = (
        {name: _share(flags) for name, flags in cast(Mapping[str, str], facts[kind]).items()}
        for kind in ("single", "without")
    )
    return {
        "events": len(str(facts["clean"])),
        "clean": _share(str(facts["clean"])),
        "single": single,
        "worst": min(single.values()),
        "without": without,
        "below_ceiling": {name: round(without[name] - single[name], 2) for name in single},
        "multi": _share(str(facts["multi"])),
        "agree": {name: round(100 * share, 2) for name, share in cast(Mapping[str, float], facts["agree"]).items()},
        "divergence": facts["divergence"],
        "broken": facts["broken"],
    }


def totals(candidates: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Search -> candidates of all rounds together: attempted, kept, refused by reason."""
    found: dict[str, Any] = {}
    for one in candidates:
        for search, row in one.items():
            into = found.setdefault(search, {"attempted": 0, "kept": 0, "refused": {}})
            into["attempted"] += row["attempted"]
            into["kept"] += row["kept"]
            for reason, count in row["refused"].items():
                into["refused"][reason] = into["refused"].get(reason, 0) + count
    return found


def said_of(recipe: Recipe, last: int, arms: Mapping[str, Any]) -> str:
    """The whole in three sentences."""
    radii = ", ".join(f"{name} {radius:g}" for name, radius in sorted(recipe.events.epsilon.items()))
    worst = {name: f"{arm['worst']:.1f} %" for name, arm in arms.items()}
    events = f"{arms['rounds']['events']} {recipe.evaluation.part} events"
    return (
        f"Attacked in one modality at a time ({radii}), a trainer with no attack in its loop keeps {worst['rounds']} "
        f"of {events} right in the worse one, after {last} rounds of {recipe.rounds.steps} steps; one with the attack "
        f"in its loop, for as many steps, {worst['attack in the loop']}; one on real events alone {worst['plain']}."
    )


def show_build(recipe: Recipe, run: Run, *, as_json: bool = False) -> None:
    """The summary of a finished build: what each round's shard did to the model it was made against."""
    last = rounds.last_round(recipe, run)
    fooled = [(rounds.attacked(run, number), rate) for number, rate in enumerate(rounds.successes(run, last), 1)]
    if as_json:
        made = [{"model": digest, "fooled": rate} for digest, rate in fooled]
        print(json.dumps({"folder": str(run.path("rounds")), "rounds": made}))
        return
    console = wide_console()
    console.print(source_told(run.record("source").facts), highlight=False)
    for number, (digest, rate) in enumerate(fooled, 1):
        console.print(f"round {number}: {100 * rate:.1f} % fool {digest[:12]}", highlight=False)
    console.print(f"shards   {run.path('rounds')}", highlight=False, soft_wrap=True)


def show_report(path: Path) -> None:
    """The summary of a finished run, from its report.json."""
    figures, console = json.loads(path.read_text()), wide_console()
    console.print(source_told(figures["source"]), highlight=False)
    console.print(candidates_table(figures["candidates"]))
    console.print(rounds_table(figures["made"]))
    console.print(arms_table(figures["arms"]))
    console.print(f"\n[bold]{figures['said']}[/bold]\n", highlight=False)
    places = {"shards": path.with_name("rounds"), "report": path.with_name("report.html"), "figures": path}
    for name, place in places.items():
        console.print(f"{name:8} {place}", highlight=False, soft_wrap=True)


def arms_table(arms: Mapping[str, Any]) -> Table:
    """A row a figure, a column a classifier."""
    first = next(iter(arms.values()))
    table = Table("%", *arms, title=f"\naccuracy by modality, {first['events']} events", title_justify="left", box=None)
    for title, values in rows_of(arms).items():
        table.add_row(title, *(f"{value:.1f}" for value in values))
    return table


def rows_of(arms: Mapping[str, Any]) -> dict[str, list[float]]:
    """Figure -> its value of every classifier, %."""
    rows: dict[str, Callable[[Mapping[str, Any]], float]] = {"clean": itemgetter("clean")}
    for name in next(iter(arms.values()))["single"]:
        rows[f"{name} attacked"] = partial(_of, "single", name)
        rows[f"without {name}, its ceiling"] = partial(_of, "without", name)
        rows[f"alone they agree, {name} attacked"] = partial(_of, "agree", name)
    rows |= {"all attacked": itemgetter("multi"), "alone they agree": partial(_of, "agree", "clean")}
    return {title: [figure(arm) for arm in arms.values()] for title, figure in rows.items()}


def _of(kind: str, name: str, arm: Mapping[str, Any]) -> float:
    return float(arm[kind][name])


def _share(flags: str) -> float:
    return round(100 * flags.count("1") / len(flags), 2)
