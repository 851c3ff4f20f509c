"""init: from somebody's data to a recipe file, and the next command to type."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from data.errors import WrongUse
from data.files import write_atomically
from data.guessing import Guess, guess
from data.guessing_pairs import PairGuess, counted, guess_pair, modalities_at, named
from data.sources import SourceOptions
from pipelines.commands.parsing import Asked
from pipelines.training.pages.pair_recipe_file import pair_recipe_text, radius_of
from pipelines.training.pages.recipe_file import epsilon_of, recipe_text

LOOK = "--training.steps 150 --judges.fit.steps 150 --generator.steps 200 --shards.attempts 300 --checks.agreement 0.3"
"""Shortens a build to a look at it, as the preset digits_quick does."""


def do(asked: Asked) -> int:
    """Guess, write the recipe, say both; returns the exit code."""
    words = asked.words
    paths = [path for path in (words.what, *asked.rest) if path]
    if not 1 <= len(paths) <= 2:
        raise WrongUse(f"hardshard init takes a folder, file or URL of samples, or two for pairs, got {len(paths)}")
    file = words.recipe or Path(f"{_name(paths[0])}.toml")
    if file.exists() or file.suffix != ".toml":
        why = "is there already" if file.exists() else "does not end in .toml"
        raise WrongUse(f"{file} {why}: name another file with --recipe")
    for path in paths:
        if "://" not in path and not Path(path).exists():
            raise WrongUse(f"there is no {path} here")
    places = [path if "://" in path else str(Path(path).resolve()) for path in paths]
    kinds = modalities_at(places[0])
    if len(places) == 2 or len(kinds) > 1:
        return _begin_pairs(file, places[0], places[-1], as_json=words.json)
    try:
        found = guess(places[0])
    except WrongUse as error:
        if not kinds or kinds == ["image"]:
            raise
        raise WrongUse(
            f"{paths[0]} holds {kinds[0]} alone, and a run takes pictures, or pairs of two modalities: `hardshard init "
            f"{paths[0]} OTHER` with a folder of what goes with it; docs/modalities.md"
        ) from error
    write_atomically(file, recipe_text(found).encode())
    commands = _next(file)
    print(json.dumps(_told(found, file, commands)) if words.json else "\n".join(_said(found, file, commands)))
    return 0


def _begin_pairs(file: Path, first: str, second: str, *, as_json: bool) -> int:
    found = guess_pair(first, second)
    write_atomically(file, pair_recipe_text(found).encode())
    commands = {does: typed for does, typed in _next(file).items() if "look" not in does}
    if as_json:
        told = {"recipe": str(file), "source": asdict(found.source), "classes": dict(found.classes)}
        print(json.dumps({**told, "told": [found.why_join], "next": list(commands.values())}))
        return 0
    for line in [*_pairs_said(found), *_what_next(file, commands)]:
        print(line)
    return 0


def _pairs_said(found: PairGuess) -> list[str]:
    radii = {side.modality: radius_of(side.modality, found.source.channels) for side in found.sides}
    return [
        f"pairs     {named(found.sides)}",
        f"joined by {found.source.join}: {found.why_join}",
        f"classes   {len(found.classes)}: {counted(found.classes)}",
        f"parts     {_shares(found.source)}",
        f"size      {found.source.size or 'as it is'}",
        f"epsilon   {', '.join(f'{name} {radius:g} ({unit})' for name, (radius, unit) in radii.items())}",
    ]


def _what_next(file: Path, commands: Mapping[str, str]) -> list[str]:
    lines = [f"  {command}\n      {does}" for does, command in commands.items()]
    return [f"\nwrote {file}, a comment on each line. Next:", *lines]


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
    parts = ", ".join(f"{part} {count}" for part, count in sorted(found.parts.items()) if part)
    return [
        f"source    {found.source.name}: {found.told[0]}",
        f"samples   {found.looked if found.whole else f'the first {found.looked}'} looked at",
        f"classes   {len(found.classes)}: {counted(found.classes)}",
        f"parts     {parts or 'none named: '}{'' if parts else _shares(found.source)}",
        f"size      {found.why_size}",
        f"channels  {found.source.channels} ({'grey' if found.source.channels == 1 else 'colours'})",
        f"epsilon   {epsilon_of(found)}: how far a pixel may be changed; only you know what your model must withstand",
        *(f"mind      {told}" for told in found.told[1:]),
        *_what_next(file, commands),
    ]


def _shares(source: SourceOptions) -> str:
    return f"{source.validation_share:.0%} for validation and {source.test_share:.0%} for tests, by content"


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
