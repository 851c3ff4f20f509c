"""A build that is killed, or fails, anywhere, and is run again, ends in the same bytes as one that nobody disturbed."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import bench.kills
from bench.kills import build, bytes_of, sound
from data.errors import Damaged
from data.shards import read_index
from data.store import Store

ROOT = Path(bench.kills.__file__).parents[1]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed")
    build(folder / "run", str(folder / "set"), workers=0, attempts=40)
    return bytes_of(Store(str(folder / "set")))


@pytest.mark.slow
def test_twenty_kills_at_random_instants_change_no_byte(tmp_path):
    out = tmp_path / "kills.json"

    arguments = [sys.executable, "-m", "bench.kills", "--kills", "20", "--seed", str(os.getpid()), "--out", str(out)]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    figures = json.loads(out.read_text())
    assert figures["kills"] >= 20
    assert figures["units redone"] <= 2 * figures["kills"]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        pytest.param("fsync", errno.ENOSPC, marks=pytest.mark.slow),  # some 80 builds each
        pytest.param("rename", errno.EACCES, marks=pytest.mark.slow),
        ("link", errno.EDQUOT),
        ("unlink", errno.EIO),
    ],
)
def test_a_disk_that_fails_at_any_call_leaves_nothing_half_done(undisturbed, tmp_path, monkeypatch, call, code):
    real, left, failures = getattr(os, call), 0, 0

    def failing(*arguments: object, **more: object) -> object:
        nonlocal left
        left -= 1
        if not left:
            raise OSError(code, os.strerror(code))
        return real(*arguments, **more)

    while True:
        folder, left = tmp_path / str(failures), failures + 1
        with monkeypatch.context() as patch:
            patch.setattr(os, call, failing)
            try:
                build(folder / "run", str(folder / "set"), workers=0, attempts=40)
                break
            except OSError:
                failures += 1
        assert sound(Store(str(folder / "set"))) == ""

        build(folder / "run", str(folder / "set"), workers=0, attempts=40)

        assert bytes_of(Store(str(folder / "set"))) == undisturbed
    assert failures > 0 or call == "unlink"


def test_a_search_that_fails_publishes_nothing_and_its_run_goes_on(undisturbed, tmp_path, monkeypatch):
    store = Store(str(tmp_path / "set"))
    planted = bench.kills.planted

    def fails_at_the_fourth(number: int, attempts: int) -> object:
        if number == 3:
            raise ArithmeticError("the search failed")
        return planted(number, attempts)

    with monkeypatch.context() as patch:
        patch.setattr(bench.kills, "planted", fails_at_the_fourth)
        with pytest.raises(ArithmeticError):
            build(tmp_path / "run", store.url, workers=0, attempts=40)
    with pytest.raises(Damaged, match="no finished shard set"):
        read_index(store)

    build(tmp_path / "run", store.url, workers=0, attempts=40)

    assert bytes_of(store) == undisturbed
    redone = (tmp_path / "run/log").read_text().split()
    assert [name for name in redone if redone.count(name) > 1] == ["draft-3", "draft-3"]


def test_one_process_and_two_give_the_same_bytes(undisturbed, tmp_path):
    build(tmp_path / "run", str(tmp_path / "set"), workers=2, attempts=40)

    assert bytes_of(Store(str(tmp_path / "set"))) == undisturbed


@pytest.mark.parametrize("setting", [{"TZ": "Asia/Tokyo"}, {"PYTHONHASHSEED": "99"}, {"umask": "077"}])
def test_time_zone_hash_seed_and_umask_change_no_byte(undisturbed, tmp_path, setting):
    code = "import sys; from pathlib import Path; from bench.kills import build; "
    code += "build(Path(sys.argv[1]), sys.argv[2], workers=0, attempts=40)"
    command = [sys.executable, "-c", code, str(tmp_path / "run"), str(tmp_path / "set")]
    umask = int(setting.get("umask", "022"), 8)

    subprocess.run(command, cwd=ROOT, check=True, umask=umask, env={**os.environ, **setting})

    assert bytes_of(Store(str(tmp_path / "set"))) == undisturbed
