"""doctor: what would stop a run here, and how to mend it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from data.errors import WrongUse
from pipelines.commands.parsing import Asked, overrides
from pipelines.recipes import overridden, preset


def do(asked: Asked) -> int:
    """Look, and say what was found; returns the exit code: 1 where something would stop a run."""
    from pipelines.orchestration.checkup import checks_of_prefect
    from pipelines.training.checkup import Check, checks_of

    words = asked.words
    try:
        recipe = overridden(preset(words.what or "digits"), overrides(asked))
    except WrongUse as error:
        found = [Check("recipe", "wrong", str(error), "hardshard recipes lists recipes and options")]
    else:
        folder = words.run or Path("runs") / recipe.called
        found = [*checks_of(recipe, folder), *checks_of_prefect()]
    wrong = [check for check in found if check.state == "wrong"]
    if words.json:
        print(json.dumps({"well": not wrong, "checks": [asdict(check) for check in found]}))
    else:
        print("\n".join(_said([(c.state, c.of, c.said, c.mend) for c in found], len(wrong))))
    return 1 if wrong else 0


def _said(found: Sequence[tuple[str, str, str, str]], wrong: int) -> Iterator[str]:
    for state, of, said, mend in found:
        yield f"{state:6} {of:11} {said}"
        if mend:
            yield f"{'':18} -> {mend}"
    counted = {0: "nothing", 1: "1 thing"}.get(wrong, f"{wrong} things")
    yield f"\n{counted} would stop a run"
