"""Our attacks against other people's, on the same digits, model and budget.

bench/attacks.py does the work, in a process of its own, since the others reseed global random numbers and warn.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHANCE = 2.0
"""Points: two of 100 samples."""
FIXED, NEAREST = ("fgsm", "pgd", "apgd_ce", "apgd_dlr", "square"), ("deepfool", "fab", "cw")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    out = tmp_path_factory.mktemp("bench") / "attacks.json"
    command = [sys.executable, "-m", "bench.attacks", "--samples", "100", "--turns", "0", "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=1200)
    rows = json.loads(out.read_text())
    return {
        (row["model"], row["norm"], row["attack"]): {library: one["figure"] for library, one in row["by"].items()}
        for row in rows
    }


def others(figures):
    return {library: figure for library, figure in figures.items() if library not in ("full", "leaving")}


@pytest.mark.slow
@pytest.mark.timeout(1300)
@pytest.mark.parametrize("attack", FIXED)
def test_no_library_breaks_more_samples_at_the_same_budget_but_by_chance(attack, measured):
    compared = {case: figures for case, figures in measured.items() if case[2] == attack}

    assert len(compared) == 4
    for case, figures in compared.items():
        assert others(figures), case
        for library, robust in others(figures).items():
            assert min(figures["full"], figures["leaving"]) <= robust + CHANCE, (case, library)


@pytest.mark.slow
@pytest.mark.timeout(1300)
def test_a_single_step_breaks_the_very_samples_that_others_break(measured):
    for case, figures in measured.items():
        if case[2] == "fgsm":
            assert len(set(figures.values())) == 1, case


@pytest.mark.slow
@pytest.mark.timeout(1300)
@pytest.mark.parametrize("attack", NEAREST)
def test_no_library_finds_nearer_errors_by_two_per_cent(attack, measured):
    compared = {case: figures for case, figures in measured.items() if case[2] == attack}

    assert len(compared) == (2 if attack == "cw" else 4)
    for case, figures in compared.items():
        assert others(figures), case
        assert figures["full"] <= 1.02 * min(others(figures).values()), case
