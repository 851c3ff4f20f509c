"""`hardshard uplift` for real, as short as can be."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.recipes import preset

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

UPLIFT = [sys.executable, "-m", "pipelines.cli", "uplift", "digits_quick", "--run", "run"]
SMALL = ["--training.steps", "30", "--judges.fit.steps", "30", "--generator.steps", "50", "--shards.attempts", "100"]
EASY = ["--checks.agreement", "0.05", "--checks.margin_band", "5", "--evaluation.samples", "20"]
GRID = ["--uplift.shares", "0.3,0.7", "--uplift.bands", "0", "--uplift.labels", "soft", "--uplift.samples", "20"]


def uplift(folder: Path, *more: str) -> str:
    arguments = [*UPLIFT, *SMALL, *EASY, *GRID, *more]
    return subprocess.run(arguments, text=True, cwd=folder, check=True, capture_output=True, timeout=850).stdout


def took(run: Path, *stages: str) -> float:
    """Seconds of some stages together."""
    return sum(json.loads((run / f"stages/{stage}.json").read_text())["seconds"] for stage in stages)


def test_uplift_names_the_best_mix_of_the_grid_and_the_cost_of_every_arm_and_does_nothing_twice(tmp_path):
    steps = preset("digits_quick").training.ball.steps

    out = uplift(tmp_path)

    figures = json.loads((tmp_path / "run/report.json").read_text())
    mixes = figures["mixes"]
    assert [trial["share"] for trial in mixes["trials"]] == [0.3, 0.7]
    assert mixes["chosen"]["share"] in (0.3, 0.7)
    assert mixes["said"] in " ".join(out.split())
    assert mixes["said"] in (tmp_path / "run/report.html").read_text()
    assert {arm["gradients"] for arm in figures["arms"].values()} == {30 * 64 * (steps + 1)}
    making = {name: arm["making_seconds"] for name, arm in figures["arms"].items()}
    judges, generator = (
        took(tmp_path / "run", *names) for names in (("judge-0", "judge-1", "judge-2"), ("generator",))
    )
    assert making["real only"] == 0
    assert making["real + soft labels"] >= judges - 0.06  # it is rounded to a tenth
    assert making["real + random GAN, soft"] >= judges + generator - 0.06
    assert set(figures["ours_minus"]["real only"]) == {"mean", "low", "high", "mcnemar"}

    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run/stages").rglob("*.json")}
    uplift(tmp_path)
    assert before == {path: path.stat().st_mtime_ns for path in before}
