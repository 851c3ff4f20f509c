"""Other people's readers, as their users install them, read our sets as they lie; none of the examples imports us."""

import ast
import hashlib
import io
import json
import os
import shutil
import subprocess
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

pytestmark = [pytest.mark.slow, pytest.mark.consumers]
with_dali = pytest.mark.skipif(
    "HARDSHARD_TEST_DALI" not in os.environ, reason="1.1 GB: run .ci/consumers dali and set HARDSHARD_TEST_DALI"
)


def samples_in(folder: Path) -> dict[str, int]:
    return {"train": 200 if folder.name.startswith("images") else 1000}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_imports_nothing_of_ours(example):
    ours = {"data", "generators", "pipelines", "hardshard", "bench"}

    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(example.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
    }

    assert not imported & ours


@pytest.mark.parametrize(("environment_name", "version"), [("current", "1.0.2"), ("webdataset-0.2.86", "0.2.86")])
def test_webdataset_trains_on_soft_labels(environment_name, version, folder, run, expected):
    found = run("train_with_webdataset.py", folder, environment_name)

    assert found["consumer"] == f"webdataset {version}"
    assert found["samples"] == samples_in(folder)
    assert found["checksum"] == expected(folder)
    assert found["batch"][0] == 50
    assert found["loss"][-1] < found["loss"][0]


@pytest.mark.parametrize(("environment_name", "version"), [("current", "1.0.2"), ("webdataset-0.2.86", "0.2.86")])
def test_webdataset_trains_on_picture_sound_and_features_at_once(environment_name, version, pairs, run, contents):
    found = run("train_on_pairs_with_webdataset.py", pairs, environment_name)

    assert found["consumer"] == f"webdataset {version}"
    assert found["samples"] == samples_in(pairs)
    assert found["batch"] == {"flac": [50, 1600], "npy": [50, 4, 3], "png": [50, 3, 32, 32]}
    assert found["touched"] == {"": 750, "image": 250}
    assert found["captions"] == sum(crc32(caption) for caption in contents(pairs, ".txt"))
    assert found["loss"] == sorted(found["loss"], reverse=True)


def test_wids_draws_every_sample_at_random(folder, run, expected):
    found = run("read_with_wids.py", folder)

    assert found["samples"] == samples_in(folder)
    assert found["checksum"] == expected(folder)


def test_hugging_face_builds_streams_and_resumes_with_every_float_whole(folder, run, expected, contents):
    found = run("read_with_datasets.py", folder)

    assert found["samples"] == samples_in(folder)
    assert found["checksum"] == found["streamed"] == expected(folder)
    assert found["margins"] == sum(json.loads(facts)["margin"] for facts in contents(folder, ".json"))
    assert found["resumes"]
    assert found["features"]["cls"].startswith("ClassLabel")


def test_hugging_face_passes_audio_on_as_bytes_that_decode(pairs, run):
    found = run("read_with_datasets.py", pairs)

    assert found["features"]["flac"] == "Value('binary')"
    assert found["seconds_of_audio"] == pytest.approx(1000 * 0.1)


def test_hugging_face_finds_which_modality_was_touched_and_how_far_and_features_as_numbers(pairs, run, contents):
    found = run("read_with_datasets.py", pairs)

    told = [json.loads(facts) for facts in contents(pairs, ".json")]
    assert found["touched"] == {"": 750, "image": 250}
    assert found["moved_image"] == pytest.approx(sum(facts["moved_image"] for facts in told))
    assert found["features"]["npy"] == "List(List(Value('float32')))"
    members = [npy for digit in range(10) for npy in contents(pairs, f"{digit}.npy")]  # not probs.npy
    frames = [np.load(io.BytesIO(npy), allow_pickle=False) for npy in members]
    assert found["sum_of_features"] == pytest.approx(float(np.sum(frames)), rel=1e-4)


def test_energon_reads_all_and_resumes_exactly(folder, run, expected):
    found = run("resume_with_energon.py", folder)

    assert found["samples"] == samples_in(folder)
    assert found["checksum"] == expected(folder, "RGB")
    assert found["shuffled"]
    assert found["resumes"]


def test_energon_finds_nothing_wrong(folder, environment):
    lint = environment("current").with_name("energon")

    done = subprocess.run([lint, "lint", folder], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_the_tar_index_is_what_energon_prepare_makes(folder, environment, tmp_path):
    for tar in folder.glob("*.tar"):
        shutil.copy(tar, tmp_path)

    kind = ["--sample-type", "ImageClassificationSample", "--field-map", '{"image":"png","label":"cls"}']
    parts = ["--split-parts", r"train:train-.*\.tar"]
    prepare = [environment("current").with_name("energon"), "prepare", "--non-interactive", *parts, *kind, tmp_path]
    subprocess.run(prepare, check=True, capture_output=True)

    made = {path.name: path.read_bytes() for path in tmp_path.glob("*.tar.idx")}
    assert made == {path.name: path.read_bytes() for path in folder.glob("*.tar.idx")}
    assert len(made) == 4


def test_timm_reads_every_sample(folder, run, expected):
    found = run("read_with_timm.py", folder)

    assert found["samples"] == samples_in(folder)
    assert found["checksum"] == expected(folder, "RGB", keyed=False)


def test_a_network_of_timm_trains_on_it(folder, run):
    found = run("train_with_timm.py", folder)

    assert found["batch"][:2] == [50, 3]
    assert found["loss"][-1] < found["loss"][0]


def test_hugging_face_mixes_it_with_real_pictures_at_a_stated_share_and_trains(pairs, photos, run):
    found = run("train_with_datasets.py", pairs, "current", str(photos))

    assert found["share_hard"] == pytest.approx(0.7, abs=0.03)
    assert found["loss"] == sorted(found["loss"], reverse=True)


def test_open_clip_trains_for_an_epoch_and_its_loss_falls(pairs, run):
    found = run("train_with_open_clip.py", pairs, "webdataset-0.2.86")

    losses = found["loss"]
    assert found["samples"] == {"train": 1000}
    assert len(losses) == 20
    assert sum(losses[-3:]) < sum(losses[:3])


def test_mlcroissant_joins_key_image_and_label(folder, run, expected):
    found = run("read_with_mlcroissant.py", folder)

    assert found["samples"] == samples_in(folder)
    assert found["checksum"] == expected(folder)


def test_mlcroissant_finds_the_description_valid(folder, environment):
    validate = environment("current").with_name("mlcroissant")

    done = subprocess.run(
        [validate, "validate", "--jsonld", folder / "croissant.json"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "Done." in done.stderr
    assert "not standard" not in done.stderr


def test_webshart_finds_every_member_by_name(folder, run, expected):
    found = run("read_with_webshart.py", folder)

    assert found["samples"] == samples_in(folder)
    assert found["members"] == (800 if folder.name.startswith("images") else 7000)
    assert found["checksum"] == expected(folder)


def test_gnu_tar_gives_every_byte(folder, run, contents):
    found = run("read_with_tar.sh", folder)

    assert found["samples"] == samples_in(folder)
    assert found["sha256"] == hashlib.sha256(b"".join(contents(folder, ""))).hexdigest()


@with_dali
def test_dali_reads_every_sample_without_a_gpu(folder, run, expected):
    found = run("read_with_dali.py", folder, "dali")

    assert found["samples"] == samples_in(folder)
    assert found["checksum"] == expected(folder, "RGB", keyed=False)


@with_dali
def test_the_index_is_what_wds2idx_makes(folder, environment, tmp_path):
    script = environment("dali").with_name("wds2idx")

    for tar in sorted(folder.glob("*.tar")):
        subprocess.run([script, tar, tmp_path / "made.idx"], check=True, capture_output=True)

        assert (tmp_path / "made.idx").read_bytes() == tar.with_suffix(".idx").read_bytes()
