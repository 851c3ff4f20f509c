import json
import struct
from dataclasses import replace

import pytest
import yaml

from data.sidecars import SetFacts, ShardRecord
from data.sidecars.card import card
from data.sidecars.croissant import croissant
from data.sidecars.dali import dali
from data.sidecars.energon import energon
from data.sidecars.open_clip import open_clip
from data.sidecars.timm import timm
from data.sidecars.webshart import webshart
from data.sidecars.wids import wids
from data.tars import Packed, pack


@pytest.fixture
def packed() -> Packed:
    """Two samples; the first begins at 0 and has two members, the second at 2048 and has three."""
    return pack([("a", {"cls": b"1", "png": b"x" * 512}), ("b", {"probs.npy": b"", "cls": b"10", "png": b"y"})])


@pytest.fixture
def facts() -> SetFacts:
    return SetFacts(
        name="planted",
        split="train",
        class_names=["dark", "bright"],
        members={"cls": "label", "json": "facts", "png": "image", "probs.npy": "soft_label"},
        shapes={"image": [1, 2, 2]},
        shards=[ShardRecord(f"train-{n:06d}.tar", 3 - n, 10240, str(n) * 64, {}) for n in range(2)],
        refused={"realism": 4, "agreement": 2},
        by_class={"dark": 3, "bright": 2},
        by_search={"walk": 5},
    )


def header_of(facts: SetFacts) -> dict[str, object]:
    text = card.of_set(facts)["README.md"].decode()
    return yaml.safe_load(text.split("---\n")[1])


def features_of(facts: SetFacts) -> dict[str, dict[str, object]]:
    return {field.pop("name"): field for field in header_of(facts)["dataset_info"]["features"]}


def test_dali_gets_a_line_a_sample_with_where_each_member_lies(packed):
    lines = dali.of_shard("train-000000.tar", packed)["train-000000.idx"].decode().split("\n")

    assert lines == [
        "v1.2 2",
        "cls 512 1 a.cls png 1536 512 a.png",
        "cls 2560 2 b.cls png 3584 1 b.png probs.npy 4608 0 b.probs.npy",
        "",
    ]


def test_energon_gets_where_samples_begin_and_where_the_last_ends(packed):
    content = energon.of_shard("train-000000.tar", packed)["train-000000.tar.idx"]

    assert struct.unpack("<3Q", content) == (0, 2048, 4608)


@pytest.mark.parametrize(("split", "part"), [("train", "train"), ("validation", "val"), ("test", "test")])
def test_energon_finds_a_split_under_its_own_name_for_it_and_the_others_empty(facts, split, part):
    parts = yaml.safe_load(energon.of_set(replace(facts, split=split))[".nv-meta/split.yaml"])["split_parts"]

    assert {name for name, tars in parts.items() if tars} == {part}
    assert set(parts) == {"train", "val", "test"}


@pytest.mark.parametrize(
    ("members", "sample"),
    [
        ({"cls": "label", "jpg": "image", "txt": "text"}, "ImageClassificationSample"),
        ({"png": "image", "txt": "text"}, "CaptioningSample"),
    ],
)
def test_energon_reads_labelled_images_before_captioned_ones(facts, members, sample):
    described = yaml.safe_load(energon.of_set(replace(facts, members=members))[".nv-meta/dataset.yaml"])

    assert described["sample_type"]["__class__"] == sample
    assert set(described["field_map"].values()) <= set(members)


def test_energon_leaves_samples_without_an_image_to_the_reader(facts):
    described = yaml.safe_load(energon.of_set(replace(facts, members={"cls": "label"}))[".nv-meta/dataset.yaml"])

    assert described == {"__module__": "megatron.energon", "__class__": "CrudeWebdataset"}


def test_webshart_finds_every_member_by_offset_and_length(packed):
    index = json.loads(webshart.of_shard("train-000000.tar", packed)["train-000000.json"])

    found = {n: packed.content[f["offset"] :][: f["length"]] for n, f in index["files"].items()}

    assert found == {"a.cls": b"1", "a.png": b"x" * 512, "b.cls": b"10", "b.png": b"y", "b.probs.npy": b""}
    assert index["filesize"] == len(packed.content)


def test_wids_timm_and_open_clip_are_told_the_same_counts(facts):
    for_wids = json.loads(wids.of_set(facts)["wids-train.json"])
    for_timm = json.loads(timm.of_set(facts)["_info.json"])["splits"]["train"]
    for_open_clip = json.loads(open_clip.of_set(facts)["sizes.json"])

    assert for_open_clip == {"train-000000.tar": 3, "train-000001.tar": 2}
    assert {shard["url"]: shard["nsamples"] for shard in for_wids["shardlist"]} == for_open_clip
    assert dict(zip(for_timm["filenames"], for_timm["shard_lengths"], strict=True)) == for_open_clip
    assert for_timm["num_samples"] == 5


def test_the_card_declares_the_type_of_every_field(facts):
    features = features_of(facts)

    kinds = {field["name"]: field["dtype"] for field in features["json"]["struct"]}
    assert kinds["margin"] == kinds["margin_before"] == "float64"
    assert features["cls"]["dtype"]["class_label"]["names"] == {"0": "dark", "1": "bright"}
    assert (features["png"], features["probs.npy"]) == ({"dtype": "image"}, {"list": "float32"})


def test_the_card_declares_audio_as_bytes_and_features_by_their_dimensions(facts):
    members = {"flac": "audio", "npy": "features", "txt": "text"}

    features = features_of(replace(facts, members=members, shapes={"features": [4, 3]}))

    assert features["flac"] == {"dtype": "binary"}
    assert features["npy"] == {"list": {"list": "float32"}}
    assert features["txt"] == {"dtype": "string"}


def test_the_card_keeps_any_class_name(facts):
    names = ['a "quoted" | one', "zwei: 2\n", "\U0001f600\x7f\x85"]

    features = features_of(replace(facts, class_names=names))

    assert list(features["cls"]["dtype"]["class_label"]["names"].values()) == names


def test_the_card_names_no_classes_when_two_have_one_name(facts):
    features = features_of(replace(facts, class_names=["cat", "cat"]))

    assert features["cls"] == {"dtype": "int64"}


def test_the_card_accounts_for_every_candidate(facts):
    text = card.of_set(facts)["README.md"].decode()

    assert "11 candidates were attempted = 5 kept + 6 refused" in text
    assert all(f"| {row} |" in text for row in ("realism | 4", "agreement | 2", "dark | 3", "bright | 2", "walk | 5"))
    assert header_of(facts)["dataset_info"]["splits"] == [{"name": "train", "num_examples": 5, "num_bytes": 20480}]


def test_a_class_name_breaks_no_table_of_the_card(facts):
    text = card.of_set(replace(facts, by_class={"a | b\nc": 5}))["README.md"].decode()

    assert "\n| a \\| b c | 5 |\n" in text


def test_croissant_names_each_tar_with_its_digest_and_all_it_refers_to_exists(facts):
    described = json.loads(croissant.of_set(facts)["croissant.json"])

    tars = {part["@id"]: part["sha256"] for part in described["distribution"] if part["@type"] == "cr:FileObject"}
    known = {part["@id"] for part in described["distribution"]}
    fields = [field for record in described["recordSet"] for field in record["field"]]
    known |= {field["@id"] for field in fields}
    referred = [way["@id"] for field in fields for way in field["source"].values() if "@id" in way]
    assert tars == {"train-000000.tar": "0" * 64, "train-000001.tar": "1" * 64}
    assert set(referred) <= known
    assert referred


def test_croissant_offers_no_records_without_labelled_images(facts):
    described = json.loads(croissant.of_set(replace(facts, members={"txt": "text"}))["croissant.json"])

    assert described["recordSet"] == []
