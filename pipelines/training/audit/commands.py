"""The user's own command, spelled out again for another verb: what an audit advises can be typed as it stands."""

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from pipelines.recipes import Recipe, options_of, preset, typed

VERBS = ("audit", "build", "run")


def commands_of(recipe: Recipe, run: Path) -> Mapping[str, str]:
    """Verb -> the command that does it with this recipe; a build and a run go on in the same folder.

    Args:
        run: the run's folder, as an absolute path or from where the user stands.
    """
    here = Path.cwd()
    folder = run.relative_to(here) if run.is_relative_to(here) else run
    return {
        verb: shlex.join(["hardshard", verb, recipe.name, "--run", str(folder), *_differing(recipe)]) for verb in VERBS
    }


def _differing(recipe: Recipe) -> list[str]:
    """Every option that is not as its preset has it, as typed."""
    usual = dict(options_of(asdict(preset(recipe.name))))
    chosen = [(name, value) for name, value in options_of(asdict(recipe)) if value != usual.get(name)]
    return [part for name, value in chosen if not name.startswith("audit.") for part in (f"--{name}", typed(value))]
