"""`hardshard adapt` for real, as short as can be."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ADAPT = [sys.executable, "-m", "pipelines.cli", "adapt", "rendered_to_digits", "--run", "run"]
SHORT = ["--source.drawn", "400", "--adapt.rounds", "2", "--adapt.translated", "60"]
SHORT += ["--adapt.fit.steps", "20", "--adapt.cycle.steps", "4", "--adapt.cycle.features", "4", "--adapt.shards", "2"]
EASY = ["--adapt.checks.agreement", "0", "--adapt.checks.back_agreement", "0", "--adapt.checks.cycle_error", "1"]


def adapt(folder: Path) -> str:
    arguments = [*ADAPT, *SHORT, *EASY]
    return subprocess.run(arguments, text=True, cwd=folder, check=True, capture_output=True, timeout=850).stdout


def test_adapt_tells_every_arm_beside_the_others_and_does_nothing_twice(tmp_path):
    out = adapt(tmp_path)

    figures = json.loads((tmp_path / "run/report.json").read_text())
    assert figures["said"] in " ".join(out.split())
    for arm in figures["arms"]:
        assert arm in out
    assert len(figures["models"]) == 1
    assert (tmp_path / "run" / figures["models"][0]).is_file()
    assert (tmp_path / "run/adapt/adapted-2/train-000001.tar").is_file()

    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run/stages").rglob("*.json")}
    adapt(tmp_path)
    assert before == {path: path.stat().st_mtime_ns for path in before}
