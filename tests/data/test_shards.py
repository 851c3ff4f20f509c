import io
import json
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
import webdataset

from data.errors import Damaged
from data.files import write_atomically
from data.loader import read_samples
from data.manifest import read_manifest
from data.modalities import image
from data.records import Candidates, Verdict
from data.shards import Judged, ShardRecord, open_set, pack_tar, write_index, write_shard


def judged(candidates: Candidates, accepted: list[bool]) -> list[Judged]:
    verdict = Verdict.of("planted", torch.tensor(accepted), torch.zeros(len(accepted)))
    soft = torch.nn.functional.one_hot(candidates.batch.labels, 2).float() * 0.8 + 0.1
    return [Judged(candidates, verdict, soft)]


@pytest.fixture
def shard_set(tmp_path, candidates):
    """Two shards of eight candidates each, six and eight of them kept."""
    records = [
        write_shard(tmp_path, "train", number, judged(candidates, kept), torch.Generator().manual_seed(number))
        for number, kept in enumerate([[True] * 6 + [False] * 2, [True] * 8])
    ]
    write_index(tmp_path, {"split": "train"}, records)
    return tmp_path


def test_webdataset_reads_every_kept_sample_with_its_label_and_soft_label(shard_set):
    urls = sorted(str(path) for path in shard_set.glob("*.tar"))

    samples = list(webdataset.WebDataset(urls, shardshuffle=False))

    assert len({sample["__key__"] for sample in samples}) == 14
    for sample in samples:
        label = int(sample["cls"])
        soft = np.load(io.BytesIO(sample["probs.npy"]), allow_pickle=False)
        first_pixel = int(image.decode(sample["png"])[0, 0, 0])
        assert first_pixel == (51 if label == 0 else 204)
        assert soft.argmax() == label
        assert json.loads(sample["json"])["label"] == label


def test_gnu_tar_lists_the_members_of_a_sample_side_by_side(shard_set):
    listed = subprocess.run(["tar", "tf", shard_set / "train-000000.tar"], capture_output=True, text=True, check=True)

    names = listed.stdout.split()

    assert [name.split(".", 1)[1] for name in names[:4]] == ["cls", "json", "png", "probs.npy"]
    assert len({name.split(".")[0] for name in names[:4]}) == 1


def test_a_tar_carries_no_clock_user_or_extended_header(shard_set):
    with tarfile.open(shard_set / "train-000000.tar") as tar:
        members = tar.getmembers()

    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {(0, 0, 0, "", "", 0o444)}
    assert not any(m.pax_headers for m in members)


def test_the_manifest_has_a_row_for_every_candidate_with_its_reason(shard_set):
    rows = read_manifest(sorted(shard_set.glob("*.parquet"))).to_pylist()

    assert len(rows) == 16
    assert sum(not row["accepted"] for row in rows) == 2
    assert all((row["reason"] == "planted") != row["accepted"] for row in rows)
    assert {row["key"] for row in rows if row["accepted"]} == keys_in_tars(shard_set)


def keys_in_tars(folder):
    urls = sorted(str(path) for path in folder.glob("*.tar"))
    return {sample["__key__"] for sample in webdataset.WebDataset(urls, shardshuffle=False)}


def test_the_same_samples_give_the_same_bytes(tmp_path, candidates):
    sets = []
    for name in ("one", "two"):
        write_shard(tmp_path / name, "train", 0, judged(candidates, [True] * 8), torch.Generator().manual_seed(3))
        sets.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})

    assert sets[0] == sets[1]


def test_a_shard_of_which_nothing_is_kept_is_refused_and_not_written(tmp_path, candidates, rng):
    with pytest.raises(Damaged, match=r"would be empty: all 8 candidates were refused \(planted\)"):
        write_shard(tmp_path, "train", 0, judged(candidates, [False] * 8), rng)

    assert not list(tmp_path.iterdir())


def test_an_opened_set_tells_its_shards(shard_set):
    index, records = open_set(shard_set)

    assert index["samples"] == 14
    assert index["attempted"] == 16
    assert [record.samples for record in records] == [6, 8]


def test_a_set_without_its_index_is_no_set(shard_set):
    (shard_set / "index.json").unlink()

    with pytest.raises(Damaged, match=r"no finished shard set: index.json is missing"):
        open_set(shard_set)


@pytest.mark.parametrize("name", ["train-000001.tar", "train-000000.parquet"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_damage_to_a_file_is_found_and_named(shard_set, name, damage):
    path = shard_set / name
    content = bytearray(path.read_bytes())
    if damage == "remove":
        path.unlink()
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes(content if damage == "flip" else content[: len(content) // 2])

    with pytest.raises(Damaged, match=name):
        open_set(shard_set)


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"format": "other"}', b'{"format": "hardshard-set-1"}'])
def test_a_wrong_index_is_named(shard_set, content):
    (shard_set / "index.json").write_bytes(content)

    with pytest.raises(Damaged, match=r"index\.json"):
        open_set(shard_set)


def test_an_index_that_points_outside_its_folder_is_refused(shard_set):
    path = shard_set / "index.json"
    path.write_text(path.read_text().replace("train-000000.tar", "../train-000000.tar"))

    with pytest.raises(Damaged, match="outside the set"):
        open_set(shard_set)


def test_a_folder_whose_name_looks_like_a_shell_url_is_read_as_a_folder(tmp_path, candidates, rng, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Path("pipe:touch hacked {0..1}")
    record = write_shard(folder, "train", 0, judged(candidates, [True] * 8), rng)
    write_index(folder, {"split": "train"}, [record])

    assert len(read_samples(folder)) == 8
    assert not (tmp_path / "hacked").exists()


def planted(folder: Path, members: dict[str, bytes]) -> None:
    """A set of one sample with these members, its checksums right."""
    content = pack_tar([("train-000000-000000", members)])
    digest = write_atomically(folder / "train-000000.tar", content)
    manifest = write_atomically(folder / "train-000000.parquet", b"")
    shard = ShardRecord("train-000000.tar", 1, len(content), digest, "train-000000.parquet", manifest, 1)
    write_index(folder, {}, [shard])


def test_a_sample_that_lacks_a_member_is_named(tmp_path):
    planted(tmp_path, {"cls": b"1", "json": b"{}"})

    with pytest.raises(Damaged, match=r"train-000000\.tar.*sample 'train-000000-000000': KeyError\('probs\.npy'\)"):
        read_samples(tmp_path)


def test_pickled_soft_labels_are_refused(tmp_path):
    out = io.BytesIO()
    np.save(out, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    picture = image.encode(torch.zeros(1, 2, 2))
    planted(tmp_path, {"cls": b"1", "json": b'{"search": ""}', "png": picture, "probs.npy": out.getvalue()})

    with pytest.raises(Damaged, match="allow_pickle=False"):
        read_samples(tmp_path)
