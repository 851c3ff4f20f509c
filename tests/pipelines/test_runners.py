"""Whoever does the work, the bytes are the same; a cluster makes up for a worker that dies."""

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.prefect_site import RECIPE
from data.errors import WrongUse
from data.files import sha256_of
from data.runs import Run
from pipelines.training import sets
from pipelines.training.operations import OperationOptions
from pipelines.training.processes import in_worker
from pipelines.training.session import session

SMALL = replace(RECIPE, shards=replace(RECIPE.shards, parts=2, count=2, attempts=60))
CLUSTERS = [pytest.param(name, marks=pytest.mark.slow) for name in ("dask", "ray")]


def build(run: Run) -> dict[str, str]:
    """The shards; the digest of each file."""
    options = sets.hard_set(SMALL, run)
    for number in options.drafts:
        sets.draft(SMALL, run, options, number)
    for number in range(options.count):
        sets.shard(SMALL, run, options, number, sets.drafts_of(run, options))
    sets.index(SMALL, run, options)
    files = sorted(path for path in run.path("shards").rglob("*") if path.is_file())
    return {str(path.relative_to(run.folder)): sha256_of(path) for path in files}


@pytest.fixture(scope="module")
def expected(prepared, tmp_path_factory) -> dict[str, str]:
    """What one process makes."""
    folder = Path(shutil.copytree(prepared, tmp_path_factory.mktemp("one") / "run"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.training.sets.in_worker", lambda work, *given: (work(*given), 0.0))
        return build(Run(folder))


def on(runner: str) -> Callable[[Path], object]:
    """A session whose work is done by that runner."""
    if runner != "processes":
        pytest.importorskip({"dask": "distributed"}.get(runner, runner))
    return lambda folder: session(replace(SMALL, operations=OperationOptions(runner=runner)), folder)


@pytest.mark.parametrize("runner", ["processes", *CLUSTERS])
def test_every_runner_makes_the_same_bytes(runner, prepared, expected, tmp_path):
    folder = Path(shutil.copytree(prepared, tmp_path / "run"))

    with on(runner)(folder) as opened:
        made = build(opened)

    assert made == expected


def die_once(flag: Path) -> str:
    if not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


@pytest.mark.parametrize("runner", CLUSTERS)
def test_a_cluster_gives_the_work_of_a_worker_that_dies_to_another(runner, prepared, tmp_path):
    folder = Path(shutil.copytree(prepared, tmp_path / "run"))

    with on(runner)(folder):
        assert in_worker(die_once, tmp_path / "flag")[0] == "done"


def test_a_runner_that_is_not_installed_is_named(monkeypatch, prepared, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    operations = OperationOptions(runner="ray")

    with (
        pytest.raises(WrongUse, match=r"operations\.runner ray needs hardshard\[ray\]"),
        session(replace(SMALL, operations=operations), tmp_path / "run"),
    ):
        pass


def test_an_address_without_a_cluster_to_look_for_it_is_refused():
    with pytest.raises(ValueError, match=r"operations\.cluster tcp://a:1 needs operations\.runner dask or ray"):
        OperationOptions(cluster="tcp://a:1")
