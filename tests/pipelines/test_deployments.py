"""A real server, a real worker, the deployments of prefect.yaml: a run by hand and runs by schedule."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from data.shards import open_set
from data.store import Store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
PREFECT = [sys.executable, "-m", "prefect"]
SMALL = {
    "name": "digits_quick",
    "training": {"steps": 30},
    "judges": {"fit": {"steps": 30}},
    "generator": {"steps": 30},
    "shards": {"attempts": 150},
    "checks": {"agreement": 0.05, "margin_band": 5.0},
}
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
UNDER_WAY = ("SCHEDULED", "PENDING", "RUNNING", "CANCELLING")


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> dict[str, str]:
    """Settings of a Prefect of our own, on a free port of the loopback address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return {
        **os.environ,
        "PREFECT_HOME": str(tmp_path_factory.mktemp("prefect")),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5",
    }


@contextmanager
def running(arguments: list[str], environment: dict[str, str]) -> Iterator[None]:
    log = Path(environment["PREFECT_HOME"]) / f"{arguments[0]}.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [*PREFECT, *arguments], env=environment, cwd=ROOT, stdout=out, stderr=out, start_new_session=True
        )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module")
def deployed(environment) -> Iterator[dict[str, str]]:
    """A server and a worker, with every deployment of prefect.yaml."""
    port = environment["PREFECT_API_URL"].split(":")[2].split("/")[0]
    with running(["server", "start", "--host", "127.0.0.1", "--port", port], environment):
        until(lambda: api(environment, "health") is True, 300)
        for pool in ("local", "ranges"):
            prefect(environment, "work-pool", "create", "--type", "process", pool)
        prefect(environment, "--no-prompt", "deploy", "--all")
        with running(["worker", "start", "--pool", "local"], environment):
            yield environment


def prefect(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [*PREFECT, *arguments], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def api(environment: dict[str, str], path: str, body: object = None) -> object:
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{environment['PREFECT_API_URL']}/{path}", content, {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())
    except (urllib.error.URLError, ConnectionError):
        return None


def until(met, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, "not in time"
        time.sleep(1)


def runs_of(environment: dict[str, str], deployment: str) -> list[dict]:
    return api(environment, "flow_runs/filter", {"deployments": {"name": {"any_": [deployment]}}}) or []


def kinds_of(environment: dict[str, str], deployment: str) -> list[str]:
    """Prefect's types of state of a deployment's runs."""
    return [run["state"]["type"] for run in runs_of(environment, deployment)]


def test_every_flow_has_a_deployment_and_the_nightly_schedule_is_paused(deployed):
    deployments = {found["name"]: found for found in api(deployed, "deployments/filter", {})}

    flows = {"nightly", "shards-only", "model", "generator", "shards", "rounds", "robust", "evaluation", "audit"}
    flows |= {"uplift", "scarcity", "adapt", "synthesise", "probe", "on-new-shards", "on-many", "range"}
    assert set(deployments) == flows
    assert [schedule["active"] for schedule in deployments["nightly"]["schedules"]] == [False]


def test_a_run_by_hand_completes_and_its_shards_are_in_place(deployed, tmp_path):
    folder = tmp_path / "run"
    given = json.dumps({"recipe": SMALL, "run": str(folder)})

    prefect(deployed, "deployment", "run", "build/shards-only", "--params", given)
    until(lambda: any(kind in ENDED for kind in kinds_of(deployed, "shards-only")), 400)

    assert kinds_of(deployed, "shards-only") == ["COMPLETED"]
    index = open_set(Store(str(folder / "shards"))).facts
    assert index["samples"] > 0


def test_an_unknown_field_is_refused_before_a_run_is_made(deployed):
    given = json.dumps({"recipe": SMALL, "colour": "red"})

    refused = subprocess.run(
        [*PREFECT, "deployment", "run", "build/shards-only", "--params", given],
        env=deployed,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert refused.returncode != 0
    assert "colour" in refused.stdout + refused.stderr


def test_an_interval_schedule_really_makes_runs(deployed, tmp_path):
    """Fails with sqlalchemy >= 2.1, where the scheduler silently inserts none."""
    found = api(deployed, "deployments/filter", {"deployments": {"name": {"any_": ["model"]}}})
    parameters = {"recipe": SMALL, "run": str(tmp_path / "run")}
    schedule = {"schedule": {"interval": 20}, "active": True, "parameters": parameters}

    until(lambda: api(deployed, f"deployments/{found[0]['id']}/schedules", [schedule]), 60)  # SQLite may be locked
    until(lambda: "COMPLETED" in kinds_of(deployed, "model"), 300)

    # A run that takes longer than the interval makes the next one CANCELLED: never two at once.
    assert set(kinds_of(deployed, "model")) <= {*UNDER_WAY, "COMPLETED", "CANCELLED"}
    assert all(run["auto_scheduled"] for run in runs_of(deployed, "model"))
    assert (tmp_path / "run/model.safetensors").is_file()
