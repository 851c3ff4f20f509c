"""The two errors a user meets: `WrongUse` (exit code 2, mend the command), `Damaged` (exit code 1, mend the file)."""

import difflib
from collections.abc import Iterable


def alike(word: str, known: Iterable[str], least: float = 0.6, mark: str = "") -> str:
    """The question that follows a word nobody knows, `did you mean digits, digits_quick?`; empty if nothing is alike.

    Args:
        word: as it was typed.
        known: what could have been meant.
        least: the likeness, in [0, 1], of `difflib`, that one of these must have.
        mark: what is typed before each of them, as `--`.
    """
    near = difflib.get_close_matches(word, list(known), n=3, cutoff=least)
    return f"did you mean {', '.join(mark + name for name in near)}?" if near else ""


class WrongUse(ValueError):
    """The command, recipe or option asks for something that cannot be; nothing was done."""


class Damaged(RuntimeError):
    """A file does not hold what it should; the message names it and says what to do."""


class Busy(WrongUse):
    """Somebody else is at work there; nothing was done, and the same will do later."""
