"""completion: what a shell needs to complete hardshard's words, by argcomplete."""

import argparse
from dataclasses import asdict
from pathlib import Path

from argcomplete import autocomplete
from argcomplete.shell_integration import shellcode

from data.errors import WrongUse
from data.plugins import plugin_names
from pipelines import recipes
from pipelines.commands.described import COMMANDS
from pipelines.commands.parsing import Asked, parser_of

SHELLS = ("bash", "zsh", "fish")


def do(asked: Asked) -> int:
    """Print the shell's lines; returns the exit code."""
    shell = asked.words.what or SHELLS[0]
    if shell not in SHELLS or asked.rest:
        raise WrongUse(f"hardshard completion takes one of {', '.join(SHELLS)}, got {' '.join([shell, *asked.rest])}")
    print(shellcode(["hardshard"], shell=shell))
    return 0


def answer() -> None:
    """Where the shell asks for completions, give them and end this process; else do nothing."""
    autocomplete(_everything(), always_complete_options=False)


def _everything() -> argparse.ArgumentParser:
    """The parser with every option of a recipe in it, and what may stand for the recipe itself."""
    parser = parser_of()
    names = [name for name, _ in recipes.options_of(asdict(recipes.DEFAULT))]
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))  # noqa: SLF001
    for name, own in commands.choices.items():
        if not COMMANDS[name].takes_recipe:
            continue
        for option in names:
            own.add_argument(f"--{option}")
        for action in own._actions:  # noqa: SLF001
            if action.dest == "what":
                action.completer = _recipes
    return parser


def _recipes(**_: object) -> list[str]:
    """Presets, and recipe files of the current folder."""
    return [*plugin_names(recipes), *(file.name for file in Path().glob("*.toml"))]
