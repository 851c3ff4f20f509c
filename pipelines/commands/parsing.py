"""The words of the `hardshard` command: a parser for each command, with its help and examples.

Options of the recipe, as `--search.steps 40`, are in none of them: `parsed` takes these apart first.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from data.errors import WrongUse, alike
from pipelines.commands.described import COMMANDS, GROUPS, Command

OPTIONS: Mapping[str, Mapping[str, object]] = {
    "--run": {"type": Path, "metavar": "FOLDER", "help": "the run's folder (default: runs/<recipe>)"},
    "--model": {"help": "your own model: a .pt2 of torch.export, or module:factory (docs/models.md)"},
    "--seeds": {"type": int, "default": 1, "help": "trainings of each arm of the comparison (default: 1)"},
    "--labels": {
        "type": int,
        "nargs": "+",
        "default": (),
        "metavar": "N",
        "help": "numbers of labelled samples, two or more, none above what the training part holds",
    },
    "--rounds": {"type": int, "help": "rounds of attack and training (--rounds.count; docs/rounds.md)"},
    "--runner": {"help": "processes, dask or ray (--operations.runner; docs/operations.md)"},
    "--json": {"action": "store_true", "help": "one JSON object on standard output, no tables"},
    "--probe": {"action": "store_true", "help": "first try some candidates, and what that takes"},
    "--to": {"choices": ("run", "build", "synthesise"), "default": "run", "help": "of which command (default: run)"},
    "--quick": {"action": "store_true", "help": "trust images' own CRC-32, unpack none"},
    "--grid": {"type": Path, "metavar": "PNG", "help": "draw the hardest samples of each class into this file"},
    "--recipe": {"type": Path, "metavar": "FILE", "help": "the file to write (default: the data's name, .toml, here)"},
    "--debug": {"action": "store_true", "help": "show tracebacks and Prefect's log"},
}
"""Every option that is not the recipe's, as argparse takes it."""
RECIPES = ("--seed", "--rehearsal")
"""Options of the recipe that have no dot, so that one of a command may be taken for them."""


@dataclass(frozen=True)
class Asked:
    """What was typed.

    Attributes:
        words: what argparse made of it.
        rest: options of the recipe and their values, in pairs; and what nobody asked for.
    """

    words: argparse.Namespace
    rest: Sequence[str] = field(default=())

    @property
    def command(self) -> str:
        """The command's name."""
        return str(self.words.command)


def parsed(given: Sequence[str]) -> Asked:
    """Sort a command line; ends the process where argparse does, for `--help` and for words it doesn't know."""
    parser, given = parser_of(), _command_first(given)
    command = COMMANDS.get(given[0]) if given else None
    if command is None:
        if given and not given[0].startswith("-") and (meant := alike(given[0], COMMANDS)):
            parser.error(f"no command {given[0]!r}: {meant}")
        parser.parse_args(given)
        parser.error("name a command, for instance: hardshard run digits_quick")
    if command.passes_on and not {"-h", "--help"} & set(given):
        return Asked(argparse.Namespace(command=given[0], debug=False), given[1:])
    words, rest = _without_recipe(given, known={"--help", *command.options, "--debug"})
    for name in rest[::2]:
        if meant := _meant(name, command):
            parser.error(f"no option {name}: {meant}")
    found, stray = parser.parse_known_args(words)
    return Asked(found, [*stray, *rest])


def overrides(asked: Asked) -> dict[str, str]:
    """Options of the recipe by dotted name, those with a short name included.

    Raises:
        WrongUse: something that is no pair of name and value was typed.
    """
    short = {"model.path": "model", "rounds.count": "rounds", "operations.runner": "runner"}
    named = {path: str(value) for path, name in short.items() if (value := getattr(asked.words, name, None))}
    if getattr(asked.words, "rounds", None) == 0:
        named["rounds.count"] = "0"
    names, values = asked.rest[::2], asked.rest[1::2]
    if len(asked.rest) % 2 or not all(name.startswith("--") for name in names):
        raise WrongUse(f"options come as --name value, got {' '.join(asked.rest)}")
    for name in names:
        if name in OPTIONS and asked.command not in (able := _commands_with(name)):
            raise WrongUse(f"{name} is an option of {', '.join(able)}, not of {asked.command}")
    return named | {name.removeprefix("--"): value for name, value in zip(names, values, strict=True)}


def parser_of() -> argparse.ArgumentParser:
    """The parser of the whole command; each command has one of its own within it."""
    parser = argparse.ArgumentParser(
        "hardshard",
        usage="hardshard COMMAND [...]",
        description=_overview(),
        epilog="hardshard COMMAND --help shows a command's options, with examples.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"hardshard {version('hardshard')}")
    commands = parser.add_subparsers(prog="hardshard", dest="command", metavar="COMMAND", help=argparse.SUPPRESS)
    for name, command in COMMANDS.items():
        _add(commands, name, command)
    return parser


def _add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, command: Command) -> None:
    more = "\n\nAny option that `hardshard recipes` lists may follow, as --name value." if command.takes_recipe else ""
    own = commands.add_parser(
        name,
        description=f"{command.does}\n\n{command.more}".strip(),
        epilog="examples:\n" + "\n".join(f"  {example}" for example in command.examples) + more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if command.what:
        own.add_argument("what", nargs="?", default="", metavar=command.what.upper(), help=command.what_help)
    for option in (*command.options, "--debug"):
        own.add_argument(option, **OPTIONS[option])  # type: ignore[arg-type]


def _overview() -> str:
    lines = ["Turns a dataset and a model into WebDataset shards of the samples that model finds hard."]
    for group, names in GROUPS.items():
        lines += ["", f"{group}:", *(f"  {name:11} {COMMANDS[name].does}" for name in names)]
    return "\n".join(lines)


def _command_first(given: Sequence[str]) -> list[str]:
    """The same words with the command before any option, where it was typed after some."""
    place = next((place for place, word in enumerate(given) if word in COMMANDS), 0)
    return [*given[place : place + 1], *given[:place], *given[place + 1 :]]


def _without_recipe(given: Sequence[str], known: set[str]) -> tuple[list[str], list[str]]:
    """The words for argparse; every other option with the word after it, which is its value."""
    words: list[str] = []
    rest: list[str] = []
    coming = iter(given)
    for word in coming:
        name, equals, value = word.partition("=")
        if not word.startswith("--") or name in known:
            words.append(word)
        else:
            rest += [name, value] if equals else [name, *([after] if (after := next(coming, None)) is not None else [])]
    return words, rest


def _meant(name: str, command: Command) -> str:
    """The question after what is nearly an option of a command; nothing of what may be the recipe's."""
    known = [*command.options, "--debug", *RECIPES]
    return "" if name in (*OPTIONS, *RECIPES) else alike(name, known, least=0.8)


def _commands_with(option: str) -> list[str]:
    return [name for name, command in COMMANDS.items() if option in command.options]
