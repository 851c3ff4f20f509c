"""The two errors a user meets: `WrongUse` (exit code 2, mend the command), `Damaged` (exit code 1, mend the file)."""


class WrongUse(ValueError):
    """The command, recipe or option asks for something that cannot be; nothing was done."""


class Damaged(RuntimeError):
    """A file does not hold what it should; the message names it and says what to do."""


class Busy(WrongUse):
    """Somebody else is at work there; nothing was done, and the same will do later."""
