"""The whole path for real: what a run leaves, that it is the same bytes each time, and that a killed one goes on."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import webdataset
from killing import killed_at, wait_for

from data.files import sha256_of
from data.shards import open_set
from data.store import Store
from pipelines.training.evaluation.scarcity import figures_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

HARDSHARD = [sys.executable, "-m", "pipelines.cli"]
SMALL = ["--training.steps", "40", "--judges.fit.steps", "40", "--generator.steps", "250", "--shards.attempts", "200"]
EASY = ["--checks.agreement", "0.1", "--checks.margin_band", "3"]
"""Networks this short of training agree on little."""

LANDMARKS = ["model.safetensors", "generator-checkpoint.safetensors", "shards/.claim", "drafts/shards/train-000000.tar"]
"""In the order in which a build makes them."""


def start(command: str, folder: Path, *more: str) -> "subprocess.Popen[str]":
    arguments = [*HARDSHARD, command, "digits_quick", "--run", str(folder), *SMALL, *EASY, *more]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(arguments, text=True, start_new_session=True, cwd=folder.parent, **pipes)


def finished(process: "subprocess.Popen[str]") -> str:
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return out


def bytes_of(folder: Path) -> dict[str, str]:
    return {str(path): sha256_of(folder / "shards" / path) for path in relative(folder / "shards")}


def relative(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """A finished build."""
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    finished(start("build", folder))
    return folder


def test_a_run_leaves_shards_report_and_a_verdict(tmp_path):
    folder = tmp_path / "run"

    out = finished(start("run", folder, "--evaluation.samples", "20"))

    figures = json.loads((folder / "report.json").read_text())
    urls = [str(folder / "shards" / shard.tar) for shard in open_set(Store(str(folder / "shards"))).shards]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False))
    kept = sum(row["kept"] for row in figures["candidates"].values())
    said = " ".join(out.split())
    assert figures["verdict"] in said
    assert len(figures["arms"]) == 7
    assert len(figures_of({100: figures, 300: figures})["points"]) == 2  # a curve is drawn from such reports
    assert all(len(arm["robust"]) == 1 for arm in figures["arms"].values())
    assert {stage["name"] for stage in figures["stages"]} >= {"train_model", "build_shards", "evaluate"}
    assert len(samples) == kept > 0
    assert "The generator's precision is" in said
    assert "http" not in (folder / "report.html").read_text().split("</head>")[1]


def test_the_same_recipe_gives_the_same_bytes_in_another_folder_time_zone_and_hash_seed(undisturbed, tmp_path):
    arguments = [*HARDSHARD, "build", "digits_quick", "--run", str(tmp_path / "again"), *SMALL, *EASY]
    other = {**os.environ, "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}

    subprocess.run(arguments, env=other, check=True, capture_output=True)

    assert bytes_of(tmp_path / "again") == bytes_of(undisturbed)


def test_a_finished_build_is_not_done_again(undisturbed):
    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*") if path.suffix in (".tar", ".json")}

    finished(start("build", undisturbed))

    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_a_deleted_shard_is_made_again_and_nothing_else(undisturbed):
    before = bytes_of(undisturbed)
    model = (undisturbed / "model.safetensors").stat().st_mtime_ns
    other = (undisturbed / "shards/train-000000.tar").stat().st_mtime_ns
    (undisturbed / "shards/train-000001.tar").unlink()

    finished(start("build", undisturbed))

    assert bytes_of(undisturbed) == before
    assert (undisturbed / "model.safetensors").stat().st_mtime_ns == model
    assert (undisturbed / "shards/train-000000.tar").stat().st_mtime_ns == other


def test_a_run_killed_at_one_stage_after_the_other_and_run_again_gives_the_same_bytes(undisturbed, tmp_path):
    folder = tmp_path / "run"
    last = folder / "shards/index.json"
    while not all(killed_at(folder / landmark, start("build", folder), last=last) for landmark in LANDMARKS):
        shutil.rmtree(folder)  # a kill came too late, and is tried again

    finished(start("build", folder))

    assert bytes_of(folder) == bytes_of(undisturbed)


def test_ctrl_c_says_how_to_go_on_and_leaves_no_process(tmp_path):
    folder = tmp_path / "run"
    stopped = start("build", folder)
    wait_for(folder / "model.safetensors", stopped)

    os.killpg(stopped.pid, signal.SIGINT)
    _, err = stopped.communicate(timeout=300)

    assert stopped.returncode == 130
    assert err.splitlines()[-1].startswith(
        f"hardshard: stopped; go on from here with: hardshard build digits_quick --run {folder}"
    )
    assert "Traceback" not in err


def test_a_damaged_checkpoint_of_the_generator_is_named(undisturbed, tmp_path):
    folder = shutil.copytree(undisturbed, tmp_path / "run")
    (folder / "stages/generator.json").unlink()
    (folder / "generator-checkpoint.safetensors").write_bytes(b"nonsense")

    failed = start("build", folder)
    _, err = failed.communicate(timeout=300)

    assert failed.returncode == 1
    assert "generator-checkpoint.safetensors is no readable checkpoint" in err
    assert "Traceback" not in err
