"""The `hardshard` command.

hardshard run digits                              the whole run, into runs/digits
hardshard run digits --seeds 5                    the comparison with five seeds
hardshard uplift digits --seeds 3                 would shards pay? the best mix by validation, all arms, their cost
hardshard build digits --run runs/mine            as far as the shards
hardshard run digits --rounds 40                  also 40 rounds of attacking and training the newest model
hardshard run digits --run runs/mine --search.steps 40
hardshard build digits --model mine.pt2           shards against your own model, described by mine.json
hardshard audit --model m.pt2 --source.path data  attack a model, train nothing: what breaks it, what to do next
hardshard audit digits --run runs/mine            likewise, for the model that a run trained
hardshard adapt rendered_to_digits                labels there, none here: a model that works here
hardshard plan digits                             what a run would do and why, what is done, how long it takes
hardshard plan digits --probe --budget.accepted 10000 --budget.minutes 20    what a budget buys, tried beforehand
hardshard recipes                                 recipes there are, and every option with its default
hardshard inspect runs/digits/shards --grid x.png counts, margins and pictures of a shard set, at any URL
hardshard verify s3://bucket/set --json           look at every byte of it; exit code 1 if anything is wrong
hardshard repair runs/digits/shards               make it whole again, from its run or from what is left
hardshard run digits --runner dask                work done by a Dask cluster, here or elsewhere
hardshard server | deploy | worker                schedules, on this machine or more: docs/operations.md
"""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.recipes import Recipe

# Before prefect is imported: no telemetry, and its own log only when asked for.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
# Its temporary server makes a database at its first start, which a busy machine needs more than the usual 20 s for.
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
# An interrupted run has no time to hand back its semaphores; the system does it.
os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")

WRONG_USE, FAILED, INTERRUPTED = 2, 1, 130
SERVER_COMMANDS = ("server", "deploy", "worker")
RECIPE_COMMANDS = ("run", "uplift", "build", "audit", "adapt", "plan", "recipes")
SET_COMMANDS = ("inspect", "verify", "repair")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code: 0, 1 (failed), 2 (wrong use) or 130 (interrupted)."""
    parser, given = _parser(), list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] and given[0] in SERVER_COMMANDS and "--help" not in given:
        return _serve(given[0], given[1:])
    known, rest = parser.parse_known_args(given)
    _log_to_terminal()
    signal.signal(signal.SIGINT, _interrupt)
    for log in ("PREFECT_LOGGING_LEVEL", "PREFECT_SERVER_LOGGING_LEVEL"):  # the latter: of the temporary server's end
        os.environ.setdefault(log, "INFO" if known.debug else "CRITICAL")
    from data.errors import Damaged, WrongUse

    try:
        return _do_with_set(known, rest) if known.command in SET_COMMANDS else _do(known, _overrides(rest, known))
    except WrongUse as error:
        if known.debug:
            raise
        return _say(str(error), WRONG_USE)
    except (Damaged, RuntimeError, ValueError, OSError) as error:
        if known.debug:
            raise
        return _say(f"{error} (--debug shows where)", FAILED)


# Imports stand inside functions from here on: the environment above must be set before prefect is imported, and a
# wrong option should not wait for torch.


def _log_to_terminal() -> None:
    log = logging.getLogger("pipelines")
    log.addHandler(logging.StreamHandler(sys.stderr))
    log.setLevel(logging.INFO)
    log.propagate = False


def _interrupt(*_: object) -> None:
    """End at once: what is finished lies whole in the run's folder, and prefect would wait for its lost server."""
    from prefect.server.api.server import SubprocessASGIServer

    from pipelines.training.processes import stop_workers

    stop_workers()
    SubprocessASGIServer().stop()
    _say("stopped; the same command goes on from here", INTERRUPTED)
    os._exit(INTERRUPTED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "hardshard",
        description=__doc__,
        epilog="Any option that `hardshard recipes` lists may follow, as --name value.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("command", choices=[*RECIPE_COMMANDS, *SET_COMMANDS, *SERVER_COMMANDS])
    parser.add_argument("what", nargs="?", default="", help="a file of pipelines/recipes (default: digits), or a set")
    parser.add_argument("--run", type=Path, help="the run's folder (default: runs/<recipe>)")
    parser.add_argument("--model", help="your own model: a .pt2 of torch.export, or module:factory (docs/models.md)")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each arm of the comparison")
    parser.add_argument("--rounds", type=int, help="run, build: rounds of attack and training (--rounds.count)")
    parser.add_argument("--runner", help="processes or dask (--operations.runner; docs/operations.md)")
    parser.add_argument("--json", action="store_true", help="verify, inspect, plan: one JSON object, no tables")
    parser.add_argument("--probe", action="store_true", help="plan: first try some candidates, and what that takes")
    parser.add_argument("--to", choices=("run", "build"), default="run", help="plan: of which command")
    parser.add_argument("--quick", action="store_true", help="verify: trust images' own CRC-32, unpack none")
    parser.add_argument("--grid", type=Path, help="inspect: draw the hardest samples of each class into this PNG")
    parser.add_argument("--debug", action="store_true", help="show tracebacks and Prefect's log")
    return parser


def _overrides(rest: Sequence[str], known: argparse.Namespace) -> dict[str, str]:
    from data.errors import WrongUse

    pairs = [part for word in rest for part in (word.split("=", 1) if word.startswith("--") else [word])]
    if len(pairs) % 2 or not all(name.startswith("--") for name in pairs[::2]):
        raise WrongUse(f"options come as --name value, got {' '.join(rest)}")
    named = {"model.path": known.model, "rounds.count": known.rounds, "operations.runner": known.runner}
    named = {name: str(value) for name, value in named.items() if value not in (None, "")}
    return named | {name.removeprefix("--"): value for name, value in zip(pairs[::2], pairs[1::2], strict=True)}


def _serve(command: str, rest: Sequence[str]) -> int:
    """Prefect's own, with the settings that schedules need; what follows the command is for Prefect's."""
    from data.errors import WrongUse
    from pipelines.orchestration import serving

    try:
        return {"server": serving.serve, "deploy": serving.deploy, "worker": serving.work}[command](rest)
    except WrongUse as error:
        return _say(str(error), WRONG_USE)


def _do_with_set(known: argparse.Namespace, rest: Sequence[str]) -> int:
    from data.errors import WrongUse
    from pipelines.training.mending import mend
    from pipelines.training.pages import inspection

    if rest or not known.what:
        raise WrongUse(f"hardshard {known.command} takes the folder or URL of a set, got {' '.join(rest) or 'nothing'}")
    if known.command == "verify":
        return 0 if inspection.show_findings(known.what, as_json=known.json, quick=known.quick) else FAILED
    if known.command == "inspect":
        inspection.show_set(known.what, grid=known.grid, as_json=known.json)
    else:
        inspection.show_repair(known.what, mend(known.what, known.run))
    return 0


def _do(known: argparse.Namespace, overrides: dict[str, str]) -> int:
    from data.errors import WrongUse
    from pipelines.recipes import overridden, preset

    if known.seeds < 1:
        raise WrongUse(f"--seeds must be >= 1, got {known.seeds}")
    usual = "rendered_to_digits" if known.command == "adapt" else "digits"
    recipe = overridden(preset(known.what or usual), overrides)
    folder = known.run or Path("runs") / _named(known.command, recipe.name, recipe.model.path)
    if known.command == "recipes":
        from pipelines.training.pages.terminal import show_recipes

        show_recipes(recipe)
        return 0
    if known.command == "plan":
        return _plan(known, recipe, folder)
    if recipe.events.epsilon:
        return _do_with_pairs(known, recipe, folder)
    from data.runs import Run
    from data.sources import source_of
    from pipelines.adapt import adapt
    from pipelines.audit import audit
    from pipelines.augment import augment, build
    from pipelines.training.arms import SHARDS, set_url
    from pipelines.training.audit.terminal import show_audit
    from pipelines.training.models.locating import must_exist
    from pipelines.training.pages import terminal
    from pipelines.uplift import uplift

    source_of(recipe.source)  # a source or a model that is not there fails before any work
    if known.command == "adapt":
        source_of(recipe.adapt.target)
    must_exist(recipe.model)
    logging.getLogger("pipelines").info("%s, recipe %s, into %s", known.command, recipe.name, folder)
    if known.command == "adapt":
        terminal.show_adaptation(adapt(recipe, folder))
    elif known.command == "build":
        build(recipe, folder)
        terminal.show_build(recipe, Run(folder), set_url(recipe, folder, SHARDS))
    elif known.command == "audit":
        show_audit(audit(recipe, folder))
    elif known.command == "uplift":
        terminal.show_report(uplift(recipe, folder, known.seeds))
    else:
        terminal.show_report(augment(recipe, folder, known.seeds))
    return 0


def _do_with_pairs(known: argparse.Namespace, recipe: "Recipe", folder: Path) -> int:
    from data.errors import WrongUse
    from data.runs import Run
    from data.sources import source_of
    from pipelines.augment import augment, build
    from pipelines.training.events import pages

    if known.command not in ("run", "build"):
        raise WrongUse(f"hardshard {known.command} is for images; of pairs there are run, build and plan")
    source_of(recipe.source)
    logging.getLogger("pipelines").info("%s, recipe %s, into %s", known.command, recipe.name, folder)
    if known.command == "build":
        build(recipe, folder)
        pages.show_build(recipe, Run(folder))
    else:
        pages.show_report(augment(recipe, folder, known.seeds))
    return 0


def _plan(known: argparse.Namespace, recipe: "Recipe", folder: Path) -> int:
    from data.sources import source_of
    from pipelines.training.models.locating import must_exist
    from pipelines.training.pages.planned import show_plan
    from pipelines.training.planning import plan_of

    if recipe.source.path:
        source_of(recipe.source)
    must_exist(recipe.model)
    if known.probe:
        from pipelines.probe import probe

        probe(recipe, folder)
    title = f"plan of hardshard {known.to}, recipe {recipe.name}, in {folder}"
    show_plan(plan_of(recipe, folder, known.to, known.seeds), title, as_json=known.json)
    return 0


def _named(command: str, recipe: str, model: str) -> str:
    """Name of the folder of a run: the recipe's; but an audit of a model that was brought touches no other run."""
    return f"audit-{Path(model).stem.replace(':', '-')}" if command == "audit" and model else recipe


def _say(message: str, code: int) -> int:
    print(f"hardshard: {message}", file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
