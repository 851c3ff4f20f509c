"""What holds for every sidecar."""

import json
from typing import cast

import pytest

import data.sidecars
from data.plugins import plugin, plugin_names
from data.sidecars import SetFacts, ShardRecord, Sidecar
from data.store import Store
from data.tars import pack

MEMBERS = {
    "ours": {"cls": "label", "json": "facts", "png": "image", "probs.npy": "soft_label"},
    "paired": {"cls": "label", "flac": "audio", "png": "image", "txt": "text"},
}


def facts_of(members: dict[str, str]) -> SetFacts:
    shards = [ShardRecord(f"train-{n:06d}.tar", 3 - n, 10240, "0" * 64, {}) for n in range(2)]
    names = ['a "quoted" one', "zwei: 2"]
    return SetFacts("x", "train", names, members, {"image": [1, 2, 2]}, shards, {"realism": 4}, {"a": 5}, {"walk": 5})


@pytest.fixture(params=plugin_names(data.sidecars))
def sidecar(request) -> Sidecar:
    return cast(Sidecar, plugin(data.sidecars, request.param))


@pytest.mark.parametrize("members", MEMBERS)
def test_the_same_set_gives_the_same_files_within_its_folder(sidecar, members):
    packed = pack([(f"k{n}", dict.fromkeys(MEMBERS[members], b"x" * n)) for n in range(3)])

    twice = [
        {**sidecar.of_shard("train-000000.tar", packed), **sidecar.of_set(facts_of(MEMBERS[members]))} for _ in range(2)
    ]

    assert twice[0] == twice[1]
    for name, content in twice[0].items():
        Store("memory://x").path(name)
        assert name not in ("index.json", "train-000000.tar")
        if name.endswith(".json"):
            json.loads(content)


def test_an_empty_tar_harms_none(sidecar):
    sidecar.of_shard("train-000000.tar", pack([]))


def test_no_two_write_the_same_file():
    packed = pack([("k", {"cls": b"1"})])
    parts = [cast(Sidecar, plugin(data.sidecars, name)) for name in plugin_names(data.sidecars)]

    names = [n for p in parts for n in [*p.of_shard("train-000000.tar", packed), *p.of_set(facts_of(MEMBERS["ours"]))]]

    assert len(names) == len(set(names)) > 8
