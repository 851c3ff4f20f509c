"""Whatever is killed in the middle of a scheduled build, the next scheduled run ends in the same bytes, unaided."""

import os
import shutil
import signal
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest

from bench.prefect_site import RECIPE, Site, holder_of, until
from data.files import sha256_of
from data.runs import open_run
from pipelines.training import sets

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

EVERY = 20
"""Seconds between scheduled runs."""


@pytest.fixture(scope="module")
def expected(prepared, tmp_path_factory) -> dict[str, str]:
    """What an undisturbed build makes, in one process."""
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    shutil.copytree(prepared, folder)
    run = open_run(folder, RECIPE.name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.training.sets.in_worker", lambda work, *given: (work(*given), 0.0))
        options = sets.hard_set(RECIPE, run)
        for number in options.drafts:
            sets.draft(RECIPE, run, options, number)
        for number in range(options.count):
            sets.shard(RECIPE, run, options, number, sets.drafts_of(run, options))
        sets.index(RECIPE, run, options)
    return digests(folder)


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in (folder / "shards").rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): sha256_of(path) for path in files}


@pytest.fixture
def folder(prepared, tmp_path) -> Path:
    return Path(shutil.copytree(prepared, tmp_path / "run"))


def scheduled(site: Site, folder: Path) -> None:
    site.schedule("shards", EVERY, {"recipe": asdict(RECIPE), "run": str(folder)})


def finished_drafts(folder: Path) -> dict[str, int]:
    """Drafts with a record, and when they were written."""
    records = folder.glob("stages/shards/draft-*.json")
    numbers = [int(record.stem.removeprefix("draft-")) for record in records]
    return {n: (folder / f"drafts/shards/train-{n:06d}.tar").stat().st_mtime_ns for n in numbers}


def in_the_middle(folder: Path) -> tuple[int, dict[str, int]]:
    """Wait until two drafts are finished; the process that is at work, and these drafts."""
    until(lambda: len(finished_drafts(folder)) >= 2, "two drafts are finished")
    assert not (folder / "shards/index.json").exists()
    return holder_of(folder), finished_drafts(folder)


def must_end_well(site: Site, folder: Path, drafts: dict[str, int], expected: dict[str, str]) -> None:
    """The schedule alone ends in the bytes of an undisturbed build, and does no finished draft again."""
    until(lambda: "COMPLETED" in [run["state"]["type"] for run in mine(site, folder)], "a scheduled run completes")
    site.unschedule("shards")
    assert digests(folder) == expected
    assert drafts.items() <= finished_drafts(folder).items()
    assert all(run["auto_scheduled"] for run in mine(site, folder))


def mine(site: Site, folder: Path) -> list[dict]:
    return [run for run in site.runs("shards") if run["parameters"].get("run") == str(folder)]


def test_a_flow_process_that_is_killed(site, folder, expected):
    scheduled(site, folder)
    process, drafts = in_the_middle(folder)

    os.kill(process, signal.SIGKILL)

    must_end_well(site, folder, drafts, expected)
    assert "CRASHED" in [run["state"]["type"] for run in mine(site, folder)]


def test_a_worker_that_is_killed(site, folder, expected):
    scheduled(site, folder)
    _, drafts = in_the_middle(folder)

    site.kill("worker")
    site.start("worker")

    must_end_well(site, folder, drafts, expected)


def test_a_machine_that_is_lost_with_worker_flow_and_server(site, folder, expected):
    scheduled(site, folder)
    process, drafts = in_the_middle(folder)

    os.kill(process, signal.SIGKILL)
    site.kill("worker", "server")
    site.start("server")
    site.start("worker")

    must_end_well(site, folder, drafts, expected)


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system is mounted, which takes root")
def test_a_disk_that_is_full(site, prepared, expected, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)]
    mounted = subprocess.run(mount, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted: {mounted.stderr.decode()}")
    try:
        folder = Path(shutil.copytree(prepared, disk / "run"))
        free = shutil.disk_usage(disk).free
        (disk / "filler").write_bytes(b"x" * (free - 150_000))
        scheduled(site, folder)
        until(lambda: "FAILED" in [run["state"]["type"] for run in mine(site, folder)], "a run fails")
        said = [run["state"]["message"] for run in mine(site, folder) if run["state"]["type"] == "FAILED"]
        drafts = finished_drafts(folder)

        (disk / "filler").unlink()

        must_end_well(site, folder, drafts, expected)
        assert "No space left on device" in said[0]
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)
