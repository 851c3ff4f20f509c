"""inspect, verify and repair: commands on a shard set."""

from data.errors import WrongUse
from pipelines.commands.parsing import Asked


def do(asked: Asked) -> int:
    """Do it; returns the exit code: 1 where a set is not whole."""
    from pipelines.training.mending import mend
    from pipelines.training.pages import inspection

    words = asked.words
    if asked.rest or not words.what:
        rest = " ".join(asked.rest) or "nothing"
        raise WrongUse(f"hardshard {asked.command} takes the folder or URL of a set, got {rest}")
    if asked.command == "verify":
        return 0 if inspection.show_findings(words.what, as_json=words.json, quick=words.quick) else 1
    if asked.command == "inspect":
        inspection.show_set(words.what, grid=words.grid, as_json=words.json)
    else:
        inspection.show_repair(words.what, mend(words.what, words.run))
    return 0
