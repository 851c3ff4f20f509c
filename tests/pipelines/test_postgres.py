"""The server on PostgreSQL: deployments, a worker, a run by schedule."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from bench.prefect_site import RECIPE, Site, until
from data.shards import open_set
from data.store import Store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

BRIEF = replace(RECIPE, shards=replace(RECIPE.shards, parts=2, count=2, attempts=50))
PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path())


def as_postgres(*command: object) -> str:
    """Run a program as PostgreSQL's own user, which it insists on."""
    who = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    done = subprocess.run([*who, *map(str, command)], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def database() -> Iterator[str]:
    """URL of an empty database on loopback, for one role with a password."""
    if not (PROGRAMS / "initdb").is_file():
        pytest.skip("Debian's package postgresql is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    place = Path(as_postgres("mktemp", "-d", "/tmp/hardshard-postgres-XXXXXX").strip())
    control = [PROGRAMS / "pg_ctl", "-D", place / "data", "-w"]
    try:
        as_postgres(PROGRAMS / "initdb", "-D", place / "data", "--auth-host=scram-sha-256", "--auth-local=trust")
        options = f"-c listen_addresses=127.0.0.1 -p {port} -k {place}"
        as_postgres(*control, "-o", options, "-l", place / "log", "start")
        said = ["-c", "create role hardshard login password 'secret'", "-c", "create database prefect owner hardshard"]
        as_postgres(PROGRAMS / "psql", "-h", place, "-p", port, "-d", "postgres", *said)
        yield f"postgresql+asyncpg://hardshard:secret@127.0.0.1:{port}/prefect"
        as_postgres(*control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(place)


def test_a_scheduled_build_runs_on_postgresql(database, prepared, tmp_path):
    (tmp_path / "prefect").mkdir()
    folder = Path(shutil.copytree(prepared, tmp_path / "run"))
    site = Site(tmp_path / "prefect", {"PREFECT_API_DATABASE_CONNECTION_URL": database})
    try:
        site.start("server")
        site.deploy("--name", "shards")
        site.start("worker")
        site.schedule("shards", 30, {"recipe": asdict(BRIEF), "run": str(folder)})

        until(lambda: "COMPLETED" in [run["state"]["type"] for run in site.runs("shards")], "a scheduled run completes")

        assert site.runs("shards")[0]["auto_scheduled"]
        assert open_set(Store(str(folder / "shards"))).facts["samples"] > 0
        assert not list((tmp_path / "prefect").glob("*.db"))
    finally:
        site.stop()
