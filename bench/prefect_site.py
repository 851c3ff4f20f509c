"""A real server, a real worker and a schedule, for measurements and for tests that kill them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipelines.recipes import DEFAULT

ROOT = Path(__file__).parents[1]
HARDSHARD = [sys.executable, "-m", "pipelines.cli"]
BRIEF = replace(DEFAULT.training, steps=2, features=2, batch_size=8, watch=replace(DEFAULT.training.watch, every=0))
RECIPE = replace(
    DEFAULT,
    training=BRIEF,
    generator=replace(DEFAULT.generator, steps=2, batch_size=8),
    judges=replace(DEFAULT.judges, folds=2, fit=replace(DEFAULT.judges.fit, steps=2, features=2, batch_size=8)),
    checks={"robust_margin": 9.0, "agreement": 0.0, "realism": 0.0, "near_duplicate": 0.0},
    shards=replace(DEFAULT.shards, parts=8, count=4, attempts=1000),
)
"""Networks as good as untrained, and drafts that take a while."""
PATIENCE = 900.0
"""Seconds a test waits for a state; none of them is the measure of anything."""


def until(met: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Wait for a state."""
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, f"not in {seconds:.0f} s: {what}"
        time.sleep(0.2)


@dataclass
class Site:
    """Prefect's server and worker, as `hardshard server` and `hardshard worker` start them, on a port of their own."""

    home: Path
    settings: dict[str, str] = field(default_factory=dict)
    host: str = "127.0.0.1"
    port: int = 0
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with socket.socket() as probe:
            probe.bind((self.host, 0))
            self.port = probe.getsockname()[1]

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PREFECT_HOME": str(self.home),
            "PREFECT_API_URL": f"http://{self.host}:{self.port}/api",
            "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5",
            "PREFECT_WORKER_QUERY_SECONDS": "3",
            **self.settings,
        }

    def start(self, command: str) -> None:
        """`hardshard server`, ready when it answers, or `hardshard worker`."""
        more = ["--host", self.host, "--port", str(self.port)] if command == "server" else []
        with (self.home / f"{command}.log").open("ab") as log:
            self.processes[command] = subprocess.Popen(
                [*HARDSHARD, command, *more],
                env=self.environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if command == "server":
            until(lambda: self.api("health") is True, "the server answers")

    def kill(self, *commands: str) -> None:
        """SIGKILL, first to all, then wait; flows that a worker has started live on."""
        for command in commands:
            self.processes[command].send_signal(signal.SIGKILL)
        for command in commands:
            self.processes.pop(command).wait()

    def deploy(self, *arguments: str) -> None:
        command = [*HARDSHARD, "deploy", *arguments]
        done = subprocess.run(command, env=self.environment, cwd=ROOT, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()

    def api(self, path: str, body: object = None, method: str | None = None) -> object:
        """What the server answers; None when it does not. While its database is locked it is asked again."""
        content = None if body is None else json.dumps(body).encode()
        url = f"{self.environment['PREFECT_API_URL']}/{path}"
        request = urllib.request.Request(url, content, {"Content-Type": "application/json"}, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise AssertionError(error.read()) from error
            time.sleep(1)
            return self.api(path, body, method)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return None

    def deploy_entrypoint(self, name: str, entrypoint: str) -> None:
        """A deployment of one flow, never two runs of it at once, as prefect.yaml has it; no flow is imported."""
        flow = self.api("flows/", {"name": name})
        until(lambda: self.api("work_pools/filter", {}), "the worker has made its pool")
        here = {"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}
        self.api(
            "deployments/",
            {
                "name": name,
                "flow_id": flow["id"],
                "entrypoint": entrypoint,
                "pull_steps": [here],
                "work_pool_name": "local",
                "concurrency_limit": 1,
                "concurrency_options": {"collision_strategy": "CANCEL_NEW"},
                "enforce_parameter_schema": False,
            },
        )

    def deployment(self, name: str) -> str:
        found = self.api("deployments/filter", {"deployments": {"name": {"any_": [name]}}})
        return found[0]["id"]

    def run(self, deployment: str, parameters: dict[str, object]) -> str:
        """Start a run by hand; its id."""
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        return self.api(f"deployments/{self.deployment(deployment)}/create_flow_run", body)["id"]

    def schedule(self, deployment: str, seconds: float, parameters: dict[str, object]) -> None:
        """Run at an interval from now on, by this schedule alone."""
        self.unschedule(deployment)
        schedule = {"schedule": {"interval": seconds}, "active": True, "parameters": parameters}
        self.api(f"deployments/{self.deployment(deployment)}/schedules", [schedule])

    def unschedule(self, deployment: str) -> None:
        """Run no more by schedule; runs that were due are taken away."""
        place = f"deployments/{self.deployment(deployment)}/schedules"
        for schedule in self.api(place):
            self.api(f"{place}/{schedule['id']}", method="DELETE")

    def runs(self, deployment: str) -> list[dict]:
        """All its runs, in the order of their start."""
        wanted = {"deployments": {"name": {"any_": [deployment]}}, "sort": "START_TIME_ASC"}
        return self.api("flow_runs/filter", wanted) or []

    def ended(self, run: str) -> dict:
        """The state a run ends with."""
        final = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        until(lambda: (self.api(f"flow_runs/{run}") or {}).get("state", {}).get("type") in final, f"{run} ends")
        return self.api(f"flow_runs/{run}")

    def stop(self) -> None:
        for process in self.processes.values():
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def holder_of(folder: Path) -> int:
    """The process that holds a run's folder."""
    return int((folder / ".holder").read_text().split()[0])
