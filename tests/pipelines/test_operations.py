"""What a schedule leans on: retries where they may help, time limits, names, what is announced and what refused."""

import errno
import os
import signal
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from data.errors import Damaged, WrongUse
from data.runs import Run, open_run
from pipelines.orchestration.artifacts import LARGEST, _accuracies, _as_url, _funnel
from pipelines.orchestration.tasks import is_transient
from pipelines.recipes import DEFAULT, merged, overridden, preset
from pipelines.training.announced import asset_of, facts_of, must_be_as_announced
from pipelines.training.naming import name_of
from pipelines.training.processes import Stopped, WorkerLost, in_worker, workers


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (WorkerLost("the process that did fit was killed"), True),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (OSError(errno.EIO, "a server's 500"), True),
        (OSError(errno.EBUSY, "a server's 503"), True),
        (WrongUse("no such option"), False),
        (Damaged("no tar"), False),
        (ValueError("epsilon must be >= 0"), False),
        (FileNotFoundError(errno.ENOENT, "no such file"), False),
        (PermissionError(errno.EACCES, "not yours"), False),
        (OSError(errno.ENOSPC, "no space left on device"), False),
        (Stopped("the run took more than operations.hours = 1"), False),
        (MemoryError(), False),
    ],
)
def test_only_what_may_pass_is_tried_again(error, expected):
    assert is_transient(error) == expected


def test_a_connection_that_s3s_client_could_not_make_may_pass():
    botocore = pytest.importorskip("botocore.exceptions")

    assert is_transient(botocore.EndpointConnectionError(endpoint_url="http://127.0.0.1:1"))
    assert not is_transient(botocore.NoCredentialsError())


def die_once(flag: Path) -> str:
    if not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def sleep_for_ever() -> None:
    signal.pause()


def test_a_killed_worker_is_replaced_and_the_same_work_succeeds(tmp_path):
    with workers(1):
        with pytest.raises(WorkerLost, match="die_once was killed"):
            in_worker(die_once, tmp_path / "flag")

        assert in_worker(die_once, tmp_path / "flag")[0] == "done"


def test_a_run_that_takes_longer_than_it_may_is_stopped_and_starts_no_more_work(tmp_path):
    with workers(1, hours=1 / 3600):
        with pytest.raises(Stopped, match=r"took more than operations\.hours"):
            in_worker(sleep_for_ever)
        with pytest.raises(Stopped):
            in_worker(die_once, tmp_path)


@pytest.mark.parametrize("hours", [0, -1, float("nan"), float("inf")])
def test_a_limit_that_is_none_is_refused(hours):
    with pytest.raises(ValueError, match=r"operations\.hours must be > 0 and finite"):
        replace(DEFAULT.operations, hours=hours)


@pytest.fixture
def run(tmp_path, shard_set) -> Run:
    """A run with a model, and with the planted set where its own belongs."""
    made = open_run(tmp_path / "My Run", "digits")
    shard_set.rename(made.path("shards"))
    made.path("model.safetensors").write_bytes(b"weights")
    return made


def test_a_run_is_named_after_its_dataset_its_round_and_its_model(run):
    brought = replace(DEFAULT, source=replace(DEFAULT.source, name="image_folder", path="/data/Lung X-rays"))
    before = name_of(DEFAULT, run)
    record = run.stage("model", {}, ["model.safetensors"], lambda: ({}, 0.0))

    assert before == "digits-round-0-model-new"
    assert name_of(DEFAULT, run) == f"digits-round-0-model-{record.digest[:8]}"
    assert name_of(brought, run) == f"image-folder-lung-x-rays-round-0-model-{record.digest[:8]}"


def test_what_is_announced_is_what_training_accepts(run):
    facts = facts_of(DEFAULT, run)

    must_be_as_announced(DEFAULT, run, facts["manifest"], facts["digest"])

    assert asset_of(DEFAULT, run) == "hardshard://digits/my-run"
    assert facts["manifest"] == f"{run.folder}/shards/index.json"
    assert facts["samples"] == 14


@pytest.mark.parametrize("name", ["digits", "digits_quick", "boundary"])
def test_the_recipe_that_is_announced_is_the_recipe_that_training_gets(name):
    first = next(iter(preset(name).search.mix.items()))
    moved = {f"search.mix.{first[0]}": "0", "search.mix.repeat": str(first[1]), "checks.agreement": "0.4"}
    recipe = overridden(preset(name), moved)

    assert merged(asdict(recipe)) == asdict(recipe)


def test_training_refuses_another_digest_another_place_and_an_altered_set(run):
    facts = facts_of(DEFAULT, run)
    manifest, digest = str(facts["manifest"]), str(facts["digest"])

    with pytest.raises(WrongUse, match=f"has digest {digest}, not 0000 as announced"):
        must_be_as_announced(DEFAULT, run, manifest, "0000")
    with pytest.raises(WrongUse, match=r"but the set of .* is"):
        must_be_as_announced(DEFAULT, run, "/elsewhere/index.json", digest)
    index = Path(manifest)
    index.write_text(index.read_text().replace('"samples": 14', '"samples": 15'))
    with pytest.raises(Damaged, match="was altered"):
        must_be_as_announced(DEFAULT, run, manifest, digest)


def test_the_funnel_has_a_row_a_search_and_a_column_a_reason():
    candidates = {
        "mixup": {"attempted": 5, "kept": 3, "refused": {"agreement": 2}},
        "shift": {"attempted": 4, "kept": 3, "refused": {"realism": 1}},
    }

    assert _funnel(candidates) == [
        {"search": "mixup", "attempted": 5, "kept": 3, "refused: agreement": 2, "refused: realism": 0},
        {"search": "shift", "attempted": 4, "kept": 3, "refused: agreement": 0, "refused: realism": 1},
    ]


def test_the_accuracies_are_shown_before_and_after_with_the_verdict():
    arms = {"real only": {"clean": [97, 98], "robust": [80, 82]}, "real + ours": {"clean": [97], "robust": [84]}}

    shown = _accuracies({"arms": arms, "verdict": "They pay."}).splitlines()

    assert "| real only | before | 97.50 | 81.00 |" in shown
    assert "| real + ours | after | 97.00 | 84.00 |" in shown
    assert shown[-1] == "They pay."


def test_a_picture_of_noise_is_drawn_small_enough_for_the_servers_database():
    from PIL import Image

    noise = Image.frombytes("RGB", (400, 400), os.urandom(400 * 400 * 3))

    assert len(_as_url(noise)) < 4 / 3 * LARGEST + 100
