"""init: from somebody's data to a recipe file, and the next command to type."""

import json
import re
import shlex
from dataclasses import asdict, replace
from pathlib import Path

from data.errors import WrongUse
from data.files import write_atomically
from data.guessing import Guess, guess
from pipelines.commands.parsing import Asked
from pipelines.training.pages.recipe_file import epsilon_of, recipe_text

LOOK = "--training.steps 150 --judges.fit.steps 150 --generator.steps 200 --shards.attempts 300 --checks.agreement 0.3"
"""Shortens a build to a look at it, as the preset digits_quick does."""


def do(asked: Asked) -> int:
    """Guess, write the recipe, say both; returns the exit code."""
    path, words = asked.words.what, asked.words
    if asked.rest or not path:
        raise WrongUse(
            f"hardshard init takes a folder, file or URL of samples, got {' '.join(asked.rest) or 'nothing'}"
        )
    file = words.recipe or Path(f"{_name(path)}.toml")
    if file.exists() or file.suffix != ".toml":
        why = "is there already" if file.exists() else "does not end in .toml"
        raise WrongUse(f"{file} {why}: name another file with --recipe")
    found = guess(path)
    found = replace(found, source=replace(found.source, path=path if "://" in path else str(Path(path).resolve())))
    write_atomically(file, recipe_text(found).encode())
    commands = _next(file)
    print(json.dumps(_told(found, file, commands)) if words.json else "\n".join(_said(found, file, commands)))
    return 0


def _name(path: str) -> str:
    stem = Path(path.rstrip("/")).name.partition(".")[0].lower()
    return re.sub("[^a-z0-9_-]+", "-", stem).strip("-") or "own"


def _next(file: Path) -> dict[str, str]:
    name = shlex.quote(str(file))
    return {
        "what it would do, and the disk it takes": f"hardshard plan {name} --to build",
        "a first look, trained too briefly to be good": f"hardshard build {name} --run runs/look {LOOK}",
        "the shards": f"hardshard build {name}",
        "the shards, and whether training on them pays": f"hardshard run {name}",
    }


def _said(found: Guess, file: Path, commands: dict[str, str]) -> list[str]:
    few = ", ".join(f"{name} {count}" for name, count in list(found.classes.items())[:12])
    more = f" and {len(found.classes) - 12} more" if len(found.classes) > 12 else ""
    parts = ", ".join(f"{part} {count}" for part, count in sorted(found.parts.items()) if part)
    return [
        f"source    {found.source.name}: {found.told[0]}",
        f"samples   {found.looked if found.whole else f'the first {found.looked}'} looked at",
        f"classes   {len(found.classes)}: {few}{more}",
        f"parts     {parts or 'none named: '}{'' if parts else _shares(found)}",
        f"size      {found.why_size}",
        f"channels  {found.source.channels} ({'grey' if found.source.channels == 1 else 'colours'})",
        f"epsilon   {epsilon_of(found)}: how far a pixel may be changed; only you know what your model must withstand",
        *(f"mind      {told}" for told in found.told[1:]),
        f"\nwrote {file}, a comment on each line. Next:",
        *(f"  {command}\n      {does}" for does, command in commands.items()),
    ]


def _shares(found: Guess) -> str:
    return f"{found.source.validation_share:.0%} for validation and {found.source.test_share:.0%} for tests, by content"


def _told(found: Guess, file: Path, commands: dict[str, str]) -> dict[str, object]:
    return {
        "recipe": str(file),
        "source": asdict(found.source),
        "looked": found.looked,
        "whole": found.whole,
        "classes": dict(found.classes),
        "parts": {part: count for part, count in found.parts.items() if part},
        "sizes": [[*size, count] for size, count in found.sizes.items()],
        "told": [*found.told, found.why_size],
        "next": list(commands.values()),
    }
