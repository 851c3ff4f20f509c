"""What is odd in a source: links, pipes, paths that lead out, claims, text that is none, names that others use."""

import io
import os
import struct
import subprocess
import sys
import tarfile
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import data.sources
from data.errors import Damaged
from data.intake import Summary, take_in
from data.sources import SourceOptions, source_of
from data.tars import pack

ROOT = Path(data.sources.__file__).parents[2]
FASHION = Path("/usr/share/datasets/fashion-mnist")


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8)


def png(seed: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(noise(seed)).save(out, "png")
    return out.getvalue()


def read(name: str, path: Path, into: Path, **options: object) -> Summary:
    plain = SourceOptions(name=name, path=str(path), labelled=0, validation_share=0, test_share=0)
    given = replace(plain, **options)  # type: ignore[arg-type]
    return take_in(source_of(given), given, into)


def giant(path: Path) -> None:
    path.write_bytes(b"")
    os.truncate(path, 2**32)


def folder_of(path: Path) -> Path:
    for seed in range(150):
        (path / str(seed % 2)).mkdir(exist_ok=True, parents=True)
        (path / str(seed % 2) / f"{seed}.png").write_bytes(png(seed))
    return path


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("plant", "reason"),
    [
        (lambda path: path.symlink_to("/dev/zero"), "outside"),
        (lambda path: path.symlink_to("/etc/hostname"), "outside"),
        (lambda path: path.symlink_to("gone.png"), "missing_file"),
        (os.mkfifo, "missing_file"),
        (giant, "too_large"),
        (lambda path: path.write_bytes(b""), "empty"),
    ],
)
def test_a_folder_with_a_link_pipe_or_giant_in_it_is_read_without_it(plant, reason, tmp_path):
    source = folder_of(tmp_path / "source")
    plant(source / "1" / "z.png")

    summary = read("image_folder", source, tmp_path / "in")

    assert summary.quarantined == {reason: 1}
    assert summary.read == 151


@pytest.mark.parametrize("path", ["/etc/passwd", "../secret.png", "a\0b", "a" * 5000, "sub", "", "gone.png"])
def test_a_path_in_a_parquet_file_leads_to_an_image_beside_it_or_nowhere(path, tmp_path):
    (tmp_path / "source" / "sub").mkdir(parents=True)
    (tmp_path / "secret.png").write_bytes(png(9))
    for seed in range(3):
        (tmp_path / f"source/{seed}.png").write_bytes(png(seed))
    table = pa.table({"image": ["0.png", "1.png", path, "2.png"], "label": ["a", "b", "a", "b"]})
    pq.write_table(table, tmp_path / "source" / "a.parquet")

    summary = read("parquet", tmp_path / "source", tmp_path / "in", error_budget=0.5)

    assert list(summary.quarantined) in (["outside"], ["missing_file"])
    assert summary.class_names == ["a", "b"]


def test_parquet_text_that_is_not_utf8_is_damage(tmp_path):
    buffers = [pa.py_buffer(np.array([0, 2], np.int32).tobytes()), pa.py_buffer(b"\xff\xfe")]
    label = pa.StringArray.from_buffers(1, *buffers)
    pq.write_table(pa.table({"image": [png(999)], "label": label}), tmp_path / "a.parquet")

    with pytest.raises(Damaged, match=r"a\.parquet is damaged after row 0"):
        read("parquet", tmp_path, tmp_path / "in")


def test_parquet_files_that_name_their_classes_otherwise_are_refused(tmp_path):
    names = b'{"info": {"features": {"label": {"names": ["cat", "dog"]}}}}'
    table = pa.table({"image": [png(0), png(1)], "label": [0, 1]})
    pq.write_table(table.replace_schema_metadata({"huggingface": names}), tmp_path / "all.parquet")
    pq.write_table(table, tmp_path / "later.parquet")

    with pytest.raises(Damaged, match=r"later\.parquet names other classes"):
        read("parquet", tmp_path, tmp_path / "in")


@pytest.mark.parametrize(
    "labels", [{"json": b'{"label": ' + b"[" * 100_000}, {"json": b"[1]"}, {"cls": b"\xff"}, {"cls": "²".encode()}, {}]
)
def test_a_label_in_a_tar_that_says_nothing_is_no_label(labels, tmp_path):
    good = [(f"k{seed}", {"png": png(seed), "cls": b"%d" % (seed % 2)}) for seed in range(120)]
    bad = {"png": png(999), **labels}
    (tmp_path / "a.tar").write_bytes(pack([*good, ("z", bad)]).content)

    assert read("webdataset", tmp_path, tmp_path / "in").quarantined == {"no_label": 1}


@pytest.mark.parametrize("names", [("x", "y"), ("images", "labels")])
def test_npz_parts_by_the_names_of_keras_and_medmnist(names, tmp_path):
    image, label = names
    x, y = np.stack([noise(seed) for seed in range(120)]), np.array([["cat"], ["cat"], ["dog"], ["dog"]] * 30)
    forms = ("{}_train", "{}_test") if image == "x" else ("train_{}", "test_{}")
    halves = {form.format(image): x[n::2] for n, form in enumerate(forms)}
    halves |= {form.format(label): y[n::2] for n, form in enumerate(forms)}
    np.savez(tmp_path / "a.npz", **halves)

    summary = read("npz", tmp_path / "a.npz", tmp_path / "in")

    assert sum(summary.kept["test"].values()) == 60
    assert summary.class_names == ["cat", "dog"]


def test_memory_grows_by_less_than_a_kilobyte_a_sample(tmp_path):
    """100,000 images in a process of its own, against 20,000: peak resident memory, from the kernel."""
    code = """
import sys
from pathlib import Path
from data.intake import take_in
from data.sources import SourceOptions, source_of
options = SourceOptions(name="idx", path=sys.argv[1], labelled=0)
print(take_in(source_of(options), options, Path(sys.argv[1]) / "in").read)
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""
    peaks = []
    for count in (20_000, 100_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        pixels = np.random.default_rng(0).integers(0, 256, (count, 8, 8), dtype=np.uint8)
        head = struct.pack(">HBBIII", 0, 8, 3, count, 8, 8)
        (folder / "images-idx3-ubyte").write_bytes(head + pixels.tobytes())
        (folder / "labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, count) + bytes(count))
        arguments = [sys.executable, "-c", code, str(folder)]
        done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=True)
        read_in, peak = map(int, done.stdout.split())
        assert read_in == count
        peaks.append(peak * 1024)

    assert peaks[1] - peaks[0] < 80_000 * 1000


@pytest.mark.slow
@pytest.mark.skipif(not FASHION.is_dir(), reason="apt-get install dataset-fashion-mnist")
def test_fashion_mnist_is_taken_in_whole(tmp_path):
    summary = read("idx", FASHION, tmp_path, validation_share=0.1, test_share=0.1)

    assert {part: sum(classes.values()) for part, classes in summary.kept.items()} == {
        "train": 53_321,
        "validation": 6_679,
        "test": 10_000,
    }
    assert summary.quarantined == {}
    assert list(summary.shape) == [1, 28, 28]
    assert set(summary.kept["test"].values()) == {1000}


def test_a_sample_of_many_members_takes_the_memory_of_its_image_alone(tmp_path):
    block = bytes(2**20)
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, content in [(f"a.x{n}", block) for n in range(100)] + [("a.png", png(0)), ("a.cls", b"0")]:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    tracemalloc.start()

    summary = read("webdataset", tmp_path, tmp_path / "in")

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert summary.read == 1
    assert peak < 20 * 2**20
