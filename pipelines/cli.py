"""The `hardshard` command: sets the process up, does what was asked, says in a line what went wrong."""

# PYTHON_ARGCOMPLETE_OK

import importlib
import logging
import os
import shlex
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn, cast

from data.errors import Damaged, WrongUse
from pipelines.commands.parsing import Asked, parsed

# Before prefect is imported: no telemetry, and its own log only when asked for.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
# Its temporary server makes a database at its first start, which a busy machine needs more than the usual 20 s for.
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
# An interrupted run has no time to hand back its semaphores; the system does it.
os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")

WRONG_USE, FAILED, UNREAD = 2, 1, 141
"""Exit codes; the last as shells have it for output that nobody reads any more."""
FAMILIES: Mapping[str, Sequence[str]] = {
    "beginning": ("init",),
    "examining": ("doctor",),
    "running": ("run", "uplift", "scarcity", "build", "audit", "adapt", "synthesise", "plan", "recipes"),
    "sets": ("inspect", "verify", "repair"),
    "serving": ("server", "deploy", "worker"),
    "completing": ("completion",),
}
"""File of pipelines/commands -> the commands in it."""
LOGS = ("PREFECT_LOGGING_LEVEL", "PREFECT_SERVER_LOGGING_LEVEL", "PREFECT_LOGGING_INTERNAL_LEVEL")
"""Levels of Prefect's own logs; the last two are of its temporary server's end, and of events that no server takes."""
LASTING = ("run", "uplift", "scarcity", "build", "audit", "adapt", "synthesise")
"""Commands whose work is kept in a run's folder."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code: 0, 1 (failed), 2 (wrong use) or 141 (pipe closed)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if "_ARGCOMPLETE" in os.environ:
        from pipelines.commands import completing

        completing.answer()
    asked = parsed(given)
    _prepare(asked, given)
    try:
        code = _command(asked.command)(asked)
        sys.stdout.flush()
    except BrokenPipeError:
        return _unread()
    except (WrongUse, Damaged, RuntimeError, ValueError, OSError) as error:
        if asked.words.debug:
            raise
        if isinstance(error, WrongUse):
            return _say(str(error), WRONG_USE)
        return _say(f"{error} (--debug shows where)", FAILED)
    except Exception as error:
        if asked.words.debug or not _is_unreachable(error):
            raise
        if url := os.environ.get("PREFECT_API_URL"):
            return _say(f"Prefect's server at {url} cannot be reached ({error}): start `hardshard server`", FAILED)
        _interrupt(asked, given, 128 + signal.SIGTERM)  # the signal ended the temporary server first
    return code


def _prepare(asked: Asked, given: Sequence[str]) -> None:
    """What goes for the whole process: where it logs, and how it ends when asked to."""
    _log_to_terminal()
    for asks_to_end in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asks_to_end, lambda number, _: _interrupt(asked, given, 128 + number))
    for log in LOGS:
        os.environ.setdefault(log, "INFO" if asked.words.debug else "CRITICAL")


def _is_unreachable(error: Exception) -> bool:
    """Whether a server did not answer; httpx is Prefect's client, and is not there before Prefect is."""
    httpx = sys.modules.get("httpx")
    return httpx is not None and isinstance(error, httpx.TransportError)


def _command(name: str) -> Callable[[Asked], int]:
    """What does it; imported only now, as the environment above must be set before prefect is imported."""
    family = next(family for family, names in FAMILIES.items() if name in names)
    return cast(Callable[[Asked], int], importlib.import_module(f"pipelines.commands.{family}").do)


def _log_to_terminal() -> None:
    log = logging.getLogger("pipelines")
    log.addHandler(logging.StreamHandler(sys.stderr))
    log.setLevel(logging.INFO)
    log.propagate = False


def _interrupt(asked: Asked, given: Sequence[str], code: int) -> NoReturn:
    """End at once: what is finished lies whole in the run's folder, and prefect would wait for its lost server."""
    # What is not imported yet, or only half, has nothing to stop.
    if stop_workers := getattr(sys.modules.get("pipelines.training.processes"), "stop_workers", None):
        stop_workers()
    if server := getattr(sys.modules.get("prefect.server.api.server"), "SubprocessASGIServer", None):
        server().stop()
    again = f"; go on from here with: {shlex.join(['hardshard', *given])}" if asked.command in LASTING else ""
    _say(f"stopped{again}", code)
    os._exit(code)


def _unread() -> int:
    """Who read our output has gone, as `head` does; say nothing more, at the end of the process neither."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return UNREAD


def _say(message: str, code: int) -> int:
    print(f"hardshard: {message}", file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
