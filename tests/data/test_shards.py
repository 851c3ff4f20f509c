import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
import webdataset

from data.errors import Damaged
from data.manifest import read_manifest
from data.modalities import image
from data.reading import read_samples
from data.shards import commit, open_for_writing, open_set, read_index, write_shard
from data.sidecars import SetFacts
from data.store import Store
from data.tars import pack


def keys_in_tars(folder: Path) -> list[str]:
    urls = sorted(str(path) for path in folder.glob("*.tar"))
    return [sample["__key__"] for sample in webdataset.WebDataset(urls, shardshuffle=False)]


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
    found = read_index(Store(str(shard_set)))

    rows = read_manifest(found.store, [manifest.name for manifest in found.manifests]).to_pylist()

    assert len(rows) == 16
    assert sum(not row["accepted"] for row in rows) == 2
    assert all((row["reason"] == "planted") != row["accepted"] for row in rows)
    assert sorted(row["key"] for row in rows if row["accepted"]) == sorted(keys_in_tars(shard_set))


def test_the_manifest_tells_where_each_sample_lies(shard_set):
    found = read_index(Store(str(shard_set)))

    for row in read_manifest(found.store, [manifest.name for manifest in found.manifests]).to_pylist():
        if row["accepted"]:
            content = (shard_set / row["shard"]).read_bytes()[row["offset"] :][: row["length"]]
            assert content.startswith(f"{row['key']}.cls\0".encode())
        else:
            assert (row["shard"], row["offset"], row["length"]) == ("", -1, 0)


def test_index_manifest_and_tars_account_for_every_candidate(shard_set):
    facts = read_index(Store(str(shard_set))).facts

    assert (facts["attempted"], facts["samples"], facts["refused"]) == (16, 14, {"planted": 2})
    assert facts["by_class"] == {"dark": 7, "bright": 7}
    assert facts["by_search"] == {"planted": 14}
    assert sum(shard["samples"] for shard in facts["shards"]) == len(keys_in_tars(shard_set)) == 14
    card = " ".join((shard_set / "README.md").read_text().split())
    for said in ("14 synthetic samples", "16 candidates were attempted", "| planted | 2 |", "| dark | 7 |"):
        assert said in card


def test_a_set_at_a_url_has_the_same_bytes_as_one_in_a_folder(shard_set, build):
    remote = Store("memory://bucket/set")
    build(remote)

    assert {name: remote.read(name) for name in remote.names()} == {
        str(path.relative_to(shard_set)): path.read_bytes() for path in shard_set.rglob("*") if path.is_file()
    }
    assert len(read_samples(remote)) == 14


def test_what_an_earlier_larger_set_left_is_taken_away(build, tmp_path):
    store = Store(str(tmp_path / "again"))
    build(store, count=5)

    build(store, count=2)

    assert [name for name in store.names() if name.endswith(".tar")] == ["train-000000.tar", "train-000001.tar"]
    open_set(store)


def test_a_set_that_is_written_to_again_is_no_set_until_it_is_finished(shard_set):
    store = Store(str(shard_set))

    open_for_writing(store)

    with pytest.raises(Damaged, match=r"no finished shard set: index.json is missing"):
        open_set(store)


def test_of_two_who_finish_a_set_the_second_is_told(shard_set):
    store = Store(str(shard_set))
    facts = SetFacts("x", "train", ["a"], {}, {}, [], {}, {}, {})

    with pytest.raises(Damaged, match=r"index\.json was written by somebody else"):
        commit(store, facts, {}, [])


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_damage_to_any_file_is_found_and_named(shard_set, tmp_path, damage):
    for name, _ in list(read_index(Store(str(shard_set))).digests()):
        copy = tmp_path / "copy"
        shutil.copytree(shard_set, copy)
        harm(copy / name, damage)

        with pytest.raises(Damaged, match=name):
            open_set(Store(str(copy)))
        shutil.rmtree(copy)


def harm(path: Path, damage: str) -> None:
    content = bytearray(path.read_bytes())
    if damage == "remove":
        path.unlink()
        return
    content[len(content) // 2] ^= 1
    path.write_bytes(content if damage == "flip" else content[: len(content) // 2])


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"format": "other"}', b'{"format": "hardshard-set-2"}'])
def test_a_wrong_index_is_named(shard_set, content):
    (shard_set / "index.json").write_bytes(content)

    with pytest.raises(Damaged, match=r"index\.json"):
        open_set(Store(str(shard_set)))


def test_an_index_that_was_edited_is_found(shard_set):
    path = shard_set / "index.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))

    with pytest.raises(Damaged, match=r"index\.json was altered"):
        open_set(Store(str(shard_set)))


def test_a_file_outside_the_set_is_refused(shard_set):
    with pytest.raises(Damaged, match="outside the set"):
        Store(str(shard_set)).path("../train-000000.tar")


def test_a_folder_whose_name_looks_like_a_shell_url_is_read_as_a_folder(workplace, build):
    folder = Store(str(workplace / "pipe:touch hacked {0..1}"))
    build(folder)

    assert len(read_samples(folder)) == 14
    assert not (workplace / "hacked").exists()


def planted(folder: Path, members: dict[str, bytes]) -> Store:
    """A set of one sample with these members, its checksums right."""
    store = Store(str(folder / "planted"))
    shard = write_shard(store, "train-000000.tar", pack([("train-000000-000000", members)]))
    kinds = dict.fromkeys(members, "image")
    commit(store, SetFacts("x", "train", ["a", "b"], kinds, {"image": [1, 2, 2]}, [shard], {}, {}, {}), {}, [])
    return store


def test_a_sample_that_lacks_a_member_is_named(tmp_path):
    store = planted(tmp_path, {"cls": b"1", "json": b"{}"})

    with pytest.raises(Damaged, match=r"train-000000\.tar, sample train-000000-000000: KeyError\('probs\.npy'\)"):
        read_samples(store)


def test_pickled_soft_labels_are_refused(tmp_path):
    out = io.BytesIO()
    np.save(out, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    picture = image.encode(torch.zeros(1, 2, 2))
    members = {"cls": b"1", "json": b'{"search": ""}', "png": picture, "probs.npy": out.getvalue()}
    store = planted(tmp_path, members)

    with pytest.raises(Damaged, match="allow_pickle=False"):
        read_samples(store)
