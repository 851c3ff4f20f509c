"""The same data in each layout is the same data; what is bad is quarantined or refused, never passed on."""

import gzip
import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

import data.sources
from data.errors import Damaged, WrongUse
from data.intake import Summary, take_in
from data.intake_files import QUARANTINE
from data.plugins import plugin_names
from data.sources import SourceOptions, source_of
from data.taken import open_taken
from data.tars import pack

COUNT = 120
Pair = tuple[np.ndarray, int]


def digits_of(count: int = COUNT) -> list[Pair]:
    """Some of the bundled digits: uint8 (8, 8), label."""
    found = source_of(SourceOptions()).samples
    return [
        (np.asarray(sample.content), int(sample.label or 0)) for _, sample in zip(range(count), found, strict=False)
    ]


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "png")
    return out.getvalue()


def as_idx(folder: Path, pairs: list[Pair], *, packed: bool = False) -> None:
    end, write = (".gz", gzip.compress) if packed else ("", bytes)
    images = struct.pack(">HBBIII", 0, 8, 3, len(pairs), 8, 8) + b"".join(image.tobytes() for image, _ in pairs)
    labels = struct.pack(">HBBI", 0, 8, 1, len(pairs)) + bytes(label for _, label in pairs)
    (folder / f"all-images-idx3-ubyte{end}").write_bytes(write(images))
    (folder / f"all-labels-idx1-ubyte{end}").write_bytes(write(labels))


def as_image_folder(folder: Path, pairs: list[Pair]) -> None:
    for number, (image, label) in enumerate(pairs):
        (folder / str(label)).mkdir(exist_ok=True)
        (folder / str(label) / f"{number}.png").write_bytes(png(image))


def as_parquet(folder: Path, pairs: list[Pair]) -> None:
    images = [{"bytes": png(image), "path": None} for image, _ in pairs]
    names = {"info": {"features": {"label": {"names": list("0123456789"), "_type": "ClassLabel"}}}}
    schema = pa.schema(
        {"image": pa.struct({"bytes": pa.binary(), "path": pa.string()}), "label": pa.int64()},
        {b"huggingface": json.dumps(names).encode()},
    )
    table = pa.table({"image": images, "label": [label for _, label in pairs]}, schema=schema)
    pq.write_table(table, folder / "all.parquet", row_group_size=50)


def as_webdataset(folder: Path, pairs: list[Pair]) -> None:
    samples = [(f"k{n}", {"png": png(image), "cls": b"%d" % label}) for n, (image, label) in enumerate(pairs)]
    (folder / "all-000000.tar").write_bytes(pack(samples[:70]).content)
    (folder / "all-000001.tar").write_bytes(pack(samples[70:]).content)


def as_npz(folder: Path, pairs: list[Pair]) -> None:
    np.savez_compressed(folder / "all.npz", x=np.stack([i for i, _ in pairs]), y=np.array([y for _, y in pairs]))


LAYOUTS: dict[str, Callable[[Path, list[Pair]], None]] = {
    "idx": as_idx,
    "image_folder": as_image_folder,
    "parquet": as_parquet,
    "webdataset": as_webdataset,
    "npz": as_npz,
}


def read(name: str, path: Path, into: Path, **options: object) -> Summary:
    plain = SourceOptions(name=name, path=str(path), labelled=0, validation_share=0, test_share=0)
    given = replace(plain, **options)  # type: ignore[arg-type]
    return take_in(source_of(given), given, into)


def test_every_source_but_the_bundled_ones_has_a_layout_here():
    elsewhere = {"digits", "espeak_digits", "mnist5k", "paired", "rated_texts", "rendered_digits", "spoken_digits"}

    assert set(LAYOUTS) | elsewhere == set(plugin_names(data.sources))


def test_the_same_data_in_each_layout_and_order_has_one_digest_and_one_order(tmp_path):
    pairs, batches, digests = digits_of(), [], set()
    for number, (name, write) in enumerate(LAYOUTS.items()):
        (tmp_path / name).mkdir()
        write(tmp_path / name, random.Random(number).sample(pairs, COUNT))
        digests.add(read(name, tmp_path / name, tmp_path / f"{name}-in").digest)
        batches.append(open_taken(tmp_path / f"{name}-in").batch("train", SourceOptions(labelled=0)))

    assert len(digests) == 1
    for batch in batches[1:]:
        assert batch.keys == batches[0].keys
        assert torch.equal(batch.inputs["image"], batches[0].inputs["image"])
        assert torch.equal(batch.labels, batches[0].labels)


@pytest.mark.parametrize("name", LAYOUTS)
def test_another_label_or_pixel_is_another_digest(name, tmp_path):
    pairs = digits_of()
    changed = [(pairs[0][0], (pairs[0][1] + 1) % 10), *pairs[1:]]
    repainted = [(255 - pairs[0][0], pairs[0][1]), *pairs[1:]]

    digests = set()
    for number, which in enumerate((pairs, changed, repainted)):
        folder = tmp_path / str(number)
        folder.mkdir()
        LAYOUTS[name](folder, which)
        digests.add(read(name, folder, tmp_path / f"in{number}").digest)

    assert len(digests) == 3


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_missing_path_is_wrong_use_before_anything_is_read(name, tmp_path):
    for path in ("", str(tmp_path / "nowhere"), str(tmp_path)):
        with pytest.raises(WrongUse, match=r"source\.path"):
            source_of(SourceOptions(name=name, path=path))


def harmed(content: bytes, draw: random.Random) -> bytes:
    """One of: cut, a bit flipped, two bytes swapped, a block zeroed, bytes inserted."""
    place = draw.randrange(len(content))
    other = draw.randrange(len(content))
    ways = {
        "cut": lambda: content[:place],
        "flip": lambda: content[:place] + bytes([content[place] ^ 1 << draw.randrange(8)]) + content[place + 1 :],
        "swap": lambda: _swapped(content, place, other),
        "zero": lambda: content[:place] + bytes(min(64, len(content) - place)) + content[place + 64 :],
        "insert": lambda: content[:place] + draw.randbytes(7) + content[place:],
    }
    return ways[draw.choice(list(ways))]()


def _swapped(content: bytes, one: int, two: int) -> bytes:
    changed = bytearray(content)
    changed[one], changed[two] = changed[two], changed[one]
    return bytes(changed)


@pytest.mark.parametrize("name", LAYOUTS)
def test_no_corruption_crashes_or_passes_unseen(name, tmp_path):
    """Each of 50 corruptions raises Damaged or WrongUse, is quarantined, changes the digest, or changes no sample."""
    pairs = digits_of(40)
    source = tmp_path / "source"
    source.mkdir()
    LAYOUTS[name](source, pairs)
    files = sorted(path for path in source.rglob("*") if path.is_file())
    whole = {path: path.read_bytes() for path in files}
    digest = read(name, source, tmp_path / "whole").digest
    before = open_taken(tmp_path / "whole").batch("train", SourceOptions(labelled=0))
    draw, caught = random.Random(name), 0
    for number in range(50):
        path = draw.choice(files)
        path.write_bytes(harmed(whole[path], draw))
        folder = tmp_path / f"in{number}"
        try:
            summary = read(name, source, folder, error_budget=0.5)
        except (Damaged, WrongUse):
            caught += 1
        else:
            if summary.quarantined or summary.digest != digest:
                caught += 1
            else:
                after = open_taken(folder).batch("train", SourceOptions(labelled=0))
                assert summary.read == len(pairs)
                assert torch.equal(after.inputs["image"], before.inputs["image"])
        path.write_bytes(whole[path])
    assert caught > 10  # much of a tar is padding


@pytest.mark.parametrize("packed", [False, True])
def test_an_idx_file_that_claims_billions_of_images_is_refused_at_once(packed, tmp_path):
    as_idx(tmp_path, digits_of(), packed=packed)
    for path in tmp_path.iterdir():
        content = bytearray(gzip.decompress(path.read_bytes()) if packed else path.read_bytes())
        content[4:8] = b"\x7f\xff\xff\xff"
        path.write_bytes(gzip.compress(content) if packed else content)

    with pytest.raises(Damaged, match="is cut"):
        read("idx", tmp_path, tmp_path / "in")


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ({"descr": "|u1", "fortran_order": False, "shape": (2**40, 8, 8)}, "claims shape"),
        ({"descr": "|O", "fortran_order": False, "shape": (3,)}, "only a pickle could read"),
        ({"descr": "|u1", "fortran_order": True, "shape": (2, 8, 8)}, "no array in C order"),
        ({"descr": "|u1", "fortran_order": False, "shape": (1, 2**20, 2**20)}, "claims shape"),
    ],
)
def test_an_npz_file_that_claims_what_it_does_not_hold_is_refused(header, why, tmp_path):
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, header)
    labels = io.BytesIO()
    np.save(labels, np.zeros(2, dtype=np.int64))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", out.getvalue() + bytes(200))
        archive.writestr("y.npy", labels.getvalue())

    with pytest.raises(Damaged, match=why):
        read("npz", tmp_path, tmp_path / "in")


def test_a_zip_bomb_ends_when_most_of_it_is_bad(tmp_path):
    count = 300_000
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, shape, kind in (("x", (count, 28, 28), np.uint8), ("y", (count,), np.uint8)):
            out = io.BytesIO()
            np.lib.format.write_array_header_1_0(
                out, {"descr": np.lib.format.dtype_to_descr(np.dtype(kind)), "fortran_order": False, "shape": shape}
            )
            with archive.open(f"{name}.npy", "w") as member:
                member.write(out.getvalue())
                for _ in range(count // 1000):
                    member.write(bytes(int(np.prod(shape)) // count * 1000))

    with pytest.raises(Damaged, match=r"999 of 1000 samples are bad \(duplicate 999\)"):
        read("npz", tmp_path, tmp_path / "in")
    assert len(pq.read_table(tmp_path / "in" / QUARANTINE)) == 999


@pytest.mark.parametrize("member", ["a.pkl", "../a.png", "/a.png"])
def test_a_tar_with_hostile_members_is_refused(member, tmp_path):
    import tarfile

    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        info = tarfile.TarInfo(member)
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))

    with pytest.raises(Damaged, match=r"x\.tar"):
        read("webdataset", tmp_path, tmp_path / "in")


def test_a_parquet_path_that_leads_out_of_the_folder_is_refused(tmp_path):
    table = pa.table({"image": ["../secret.png"], "label": [0]})
    (tmp_path / "in").mkdir()
    pq.write_table(table, tmp_path / "in" / "a.parquet")
    (tmp_path / "secret.png").write_bytes(png(np.zeros((8, 8), np.uint8)))

    with pytest.raises(Damaged, match="outside 1"):
        read("parquet", tmp_path / "in", tmp_path / "out")
