import os
import signal
import subprocess
import sys
import time

import pytest

from data.errors import Damaged, WrongUse
from data.files import write_atomically
from data.runs import Run, hold, open_run

HOLD = """
import sys, time
from pathlib import Path
from data.runs import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""

WRITE = """
import sys
from pathlib import Path
from data.files import write_atomically
print("go", flush=True)
while True:
    for digit in b"123":
        write_atomically(Path(sys.argv[1]), bytes([digit]) * 1_000_000)
"""


@pytest.fixture
def run(tmp_path):
    return open_run(tmp_path / "run", "digits")


def write_file(run: Run, content: bytes, calls: list[bytes]):
    """A stage's work that writes `content` into one file and counts itself."""

    def work():
        calls.append(content)
        write_atomically(run.path("out"), content)
        return {"size": len(content)}, 1.5

    return work


def test_a_finished_stage_is_not_done_again(run):
    calls = []

    records = [run.stage("s", {"option": 1}, ["out"], write_file(run, b"a", calls)) for _ in range(2)]

    assert calls == [b"a"]
    assert records[0] == records[1]
    assert records[1].facts == {"size": 1}
    assert records[1].seconds == 1.5


@pytest.mark.parametrize("harm", ["option", "deleted", "altered"])
def test_a_stage_is_done_again_when_what_it_rests_on_changes(run, harm):
    calls = []
    run.stage("s", {"option": 1}, ["out"], write_file(run, b"a", calls))
    if harm == "deleted":
        run.path("out").unlink()
    if harm == "altered":
        run.path("out").write_bytes(b"b")

    run.stage("s", {"option": 2 if harm == "option" else 1}, ["out"], write_file(run, b"a", calls))

    assert len(calls) == 2
    assert run.path("out").read_bytes() == b"a"


def test_a_stage_that_fails_leaves_no_record(run):
    def fail():
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        run.stage("s", {}, [], fail)

    with pytest.raises(WrongUse, match="no finished stage 's'"):
        run.record("s")


def test_a_broken_stage_record_is_named(run):
    run.stage("s", {}, [], lambda: ({}, 0.0))
    run.path("stages/s.json").write_text('{"stage": "s", "colour": 1}')

    with pytest.raises(Damaged, match=r"s\.json is no stage record"):
        run.record("s")


def test_a_folder_of_another_recipe_is_wrong_use(run):
    with pytest.raises(WrongUse, match="belongs to recipe 'digits', not 'faces'"):
        open_run(run.folder, "faces")


def test_a_folder_that_is_no_run_is_wrong_use(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")

    with pytest.raises(WrongUse, match="holds no run"):
        open_run(tmp_path, "digits")


def test_a_second_process_is_refused_and_told_who_holds_the_run(tmp_path):
    other = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE)
    try:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(WrongUse, match=f"in use by process {other.pid}"), hold(tmp_path):
            pass
    finally:
        other.kill()
        other.communicate()
    with hold(tmp_path):  # a killed holder holds nothing
        pass


def test_a_write_killed_at_any_instant_leaves_the_old_file_or_the_new(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"0" * 1_000_000)
    for delay in (0.0, 0.003, 0.011, 0.023, 0.042):
        writer = subprocess.Popen([sys.executable, "-c", WRITE, path], stdout=subprocess.PIPE)
        writer.stdout.readline()
        time.sleep(delay)
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate()

        content = path.read_bytes()
        assert len(content) == 1_000_000
        assert len(set(content)) == 1
