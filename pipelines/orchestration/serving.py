"""Prefect's server and worker with the settings that a schedule needs, and what is made at the server once.

The settings stand in the environment, where whoever starts `hardshard server` may put others.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import cast

from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events import EventTrigger
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import Posture
from prefect.exceptions import ObjectNotFound

from data.errors import WrongUse
from pipelines.orchestration import is_served

POOL, RANGES = "local", "ranges"
"""Work pools: of whole runs, and of the ranges of a run that is made on many machines."""
SILENT = timedelta(minutes=3)
"""Without a sign of life after which a run is taken for dead; prefect.yaml has runs give one every 30 seconds."""
ZOMBIES = "hardshard: a run without a sign of life has crashed"

SERVER_SETTINGS = {
    # Nothing is sent to anybody; the first page is the one that asks no outside address for its own settings.
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_V2_ENABLED": "false",
    # In memory, as is the default, a slot of a run that died with the server would be held for ever.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    # One by one, as is the default, task runs are recorded slower than they end, and lost when the server stops.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
}


def serve(arguments: Sequence[str]) -> int:
    """Become Prefect's server; returns only if it can't be started."""
    return _become(["server", "start", *arguments], SERVER_SETTINGS)


def work(arguments: Sequence[str]) -> int:
    """Become a worker, which starts the runs that are due on this machine, in this folder.

    Args:
        arguments: for Prefect's command; `--pool ranges` makes it one that helps other machines.
    """
    _must_be_served("worker")
    pool = [] if "--pool" in arguments else ["--pool", POOL]
    return _become(["worker", "start", *pool, "--type", "process", *arguments], {"DO_NOT_TRACK": "1"})


def deploy(arguments: Sequence[str]) -> int:
    """Make at the server what is needed there: the work pools, the deployments of prefect.yaml, the zombie automation.

    Done again, it brings all of them up to date.

    Returns:
        The exit code of Prefect's own command.
    """
    _must_be_served("deploy")
    _make_pools()
    _make_automation()
    chosen = arguments or ["--all"]
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", *chosen]
    return subprocess.run(command, check=False).returncode  # noqa: S603


def _become(command: Sequence[str], settings: Mapping[str, str]) -> int:
    environment = {**settings, **os.environ}
    os.execve(sys.executable, [sys.executable, "-m", "prefect", *command], environment)  # noqa: S606


def _must_be_served(command: str) -> None:
    if not is_served():
        raise WrongUse(
            f"hardshard {command} needs to know the server: start `hardshard server` and set PREFECT_API_URL, "
            "for instance to http://127.0.0.1:4200/api"
        )


def _make_pools() -> None:
    with get_client(sync_client=True) as client:
        for pool in (POOL, RANGES):
            try:
                client.read_work_pool(pool)
            except ObjectNotFound:
                client.create_work_pool(WorkPoolCreate(name=pool, type="process"))


def _make_automation() -> None:
    """A run whose process, worker or machine died would be shown as running for ever, and hold its slot."""
    wanted = zombie_automation()
    try:
        found = cast(Automation, Automation.read(name=ZOMBIES))
    except ValueError:
        wanted.create()
        return
    found.trigger, found.actions, found.description = wanted.trigger, wanted.actions, wanted.description
    found.update()


def zombie_automation() -> Automation:
    """After a sign of life neither another one nor an end for `SILENT`: the run has crashed."""
    ends = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}
    return Automation(
        name=ZOMBIES,
        description="Gives back the slot of a run whose process, worker or machine died; docs/operations.md.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.heartbeat", *ends},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=SILENT,
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=f"no sign of life for {SILENT}")],
    )
