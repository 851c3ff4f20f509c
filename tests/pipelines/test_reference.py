"""Our AutoAttack against its authors', in a process of its own, since theirs removes trace functions."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_agrees_with_the_reference_within_half_a_point(tmp_path):
    out = tmp_path / "autoattack.json"
    command = [sys.executable, "-m", "bench.autoattack", "--models", "digits-hardened", "--samples", "100"]

    subprocess.run([*command, "--out", str(out)], cwd=ROOT, check=True, capture_output=True, timeout=800)

    (measured,) = json.loads(out.read_text())
    assert abs(measured["ours"] - measured["reference"]) <= 0.5
    assert measured["clean"] > measured["ours"] > 0
