"""Samples of several modalities on their way: drafts, manifest, shards, verify, repair, reader, loader, feed."""

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import webdataset
from torch import Tensor

from data.drafts import Judged, write_draft
from data.errors import Damaged, WrongUse
from data.feed import Feed, FeedOptions
from data.forms import Form, forms_of
from data.loader import EventPool, MixedBatches, MixedEvents, Pool, read_events, read_pool
from data.manifest import read_manifest
from data.modalities import modality
from data.packing import About, finish, pack_shard, plan
from data.reading import read_samples
from data.records import Batch, Candidates, Verdict
from data.repair import repair
from data.shards import ShardSet, commit, read_index, write_shard
from data.sidecars import SetFacts
from data.store import Store
from data.tars import pack
from data.verify import verify
from pipelines.training.pages.inspection import draw_grid

pytest.importorskip("soundfile")

FORMS = {
    "audio": Form((1, 80), 8000),
    "features": Form((4, 2), unit=(2.0, 10.0)),
    "image": Form((3, 4, 6)),
    "text": Form((12,)),
}
COUNT = 24


def inputs(seed: int, names: Sequence[str]) -> dict[str, Tensor]:
    """As a model takes them, and as they can be kept."""
    rng = torch.Generator().manual_seed(seed)
    x = {
        "audio": torch.randint(-9000, 9000, (COUNT, 1, 80), generator=rng) / 32768,
        "features": torch.randn(COUNT, 4, 2, generator=rng),
        "image": torch.randint(0, 256, (COUNT, 3, 4, 6), generator=rng) / 255,
        "text": torch.tensor([list(f"größe {n}".encode().ljust(12, b"\0")) for n in range(COUNT)], dtype=torch.uint8),
    }
    return {name: x[name] for name in names}


def candidates(seed: int, names: Sequence[str], touched: str = "") -> Candidates:
    """Made by moving one modality of each; the pair is what it was, bit by bit."""
    starts = inputs(seed, names)
    moved = dict(starts)
    if touched == "text":
        moved["text"] = starts["text"].clone()
        moved["text"][:, 0] = ord("G")
    elif touched:
        moved[touched] = modality(touched).stored((starts[touched] + 0.25).clamp(-1 if touched == "audio" else 0, 1))
        moved["features"] = starts["features"] + 1 if touched == "features" else moved.get("features", torch.empty(0))
        moved = {name: moved[name] for name in names}
    keys = tuple(f"real-{n}" for n in range(COUNT))
    batch = Batch(keys, moved, torch.arange(COUNT) % 2)
    zero = torch.zeros(COUNT)
    return Candidates(batch, "planted", tuple((key, f"{key}-b") for key in keys), starts, zero + 2, zero - 1)


def build(folder: Path, names: Sequence[str], touched: str = "", count: int = 2) -> ShardSet:
    """Two drafts of 24 candidates, each fourth of them refused, in two shards."""
    forms = {name: FORMS[name] for name in names}
    store, drafts = Store(str(folder / "set")), folder / "drafts"
    verdict = Verdict.of("planted", torch.arange(COUNT) % 4 != 3, torch.zeros(COUNT))
    soft = torch.nn.functional.one_hot(torch.arange(COUNT) % 2, 2).float() * 0.8 + 0.1
    records = []
    for number in range(2):
        judged = Judged(candidates(number, names, touched), verdict, soft)
        rng = torch.Generator().manual_seed(number)
        records.append(write_draft(drafts, "train", number, [judged], rng, forms))
    dealt = plan(drafts, records, "train", count, seed=0)
    shards = [pack_shard(dealt, number, store) for number in range(count)]
    return finish(dealt, shards, store, About.of_forms("planted", ["dark", "bright"], forms), {"seed": 0})


EVERY = tuple(FORMS)


@pytest.mark.parametrize("names", [("image", "features"), ("audio", "image"), ("image", "text"), EVERY, ("features",)])
def test_every_modality_comes_back_from_the_shards_bit_by_bit(names, tmp_path):
    made = build(tmp_path, names)

    samples = read_samples(made.store)

    before = [candidates(number, names) for number in range(2)]
    rows = {row["key"]: row for row in manifest(made)}
    assert len(samples) == 36
    for sample in samples:
        first = rows[sample.key]["parents"][0]
        draft, place = int(sample.key.split("-")[1]), int(first.split("-")[1])
        kept = before[draft].batch.inputs
        assert sample.inputs.keys() == set(names)
        for name in names:
            assert torch.equal(modality(name).floats(sample.inputs[name]), kept[name][place])


def manifest(made: ShardSet) -> list[dict[str, object]]:
    rows = read_manifest(made.store, [each.name for each in made.manifests]).to_pylist()
    return [row | {"moved": dict(row.get("moved") or [])} for row in rows]


@pytest.mark.parametrize(
    ("touched", "far"), [("image", 0.25), ("audio", 0.25), ("features", 0.5), ("text", 1.0), ("", 0.0)]
)
def test_the_manifest_and_each_sample_say_which_modality_was_touched_and_how_far_in_its_units(touched, far, tmp_path):
    made = build(tmp_path, EVERY, touched)

    rows = manifest(made)
    samples = read_samples(made.store)

    still = dict.fromkeys(set(EVERY) - {touched}, 0.0)
    for moved in [*(row["moved"] for row in rows), *(sample.moved for sample in samples)]:
        assert moved.keys() == set(EVERY)
        assert {name: moved[name] for name in still} == still
    if touched:
        furthest = max(row["moved"][touched] for row in rows)
        assert furthest == pytest.approx(far, abs=1 / 255)
    for _, facts in members_named(made, "json"):
        assert json.loads(facts)["touched"] == touched


def members_named(made: ShardSet, extension: str) -> list[tuple[str, bytes]]:
    urls = [made.store.path(shard.tar) for shard in made.shards]
    return [(s["__key__"], s[extension]) for s in webdataset.WebDataset(urls, shardshuffle=False)]


def test_touching_one_modality_leaves_the_bytes_of_the_others(tmp_path):
    plain, touched = (build(tmp_path / name, EVERY, name) for name in ("", "image"))

    for extension in ("flac", "npy", "txt", "cls"):
        assert members_named(plain, extension) == members_named(touched, extension)
    assert members_named(plain, "png") != members_named(touched, "png")


def test_webdataset_finds_the_members_of_every_modality(tmp_path):
    import soundfile

    made = build(tmp_path, EVERY)

    urls = [made.store.path(shard.tar) for shard in made.shards]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False))

    members = {"cls", "flac", "json", "npy", "png", "probs.npy", "txt"}
    assert len(samples) == 36
    for sample in samples:
        assert {name for name in sample if not name.startswith("__")} == members
        assert np.load(io.BytesIO(sample["npy"]), allow_pickle=False).shape == (4, 2)
        assert soundfile.info(io.BytesIO(sample["flac"])).samplerate == 8000
        assert sample["txt"].decode().startswith("größe ")


def test_the_index_says_form_and_unit_of_every_modality(tmp_path):
    made = build(tmp_path, EVERY)

    found = read_index(made.store).facts

    assert forms_of(found) == FORMS
    assert found["members"]["flac"] == "audio"


def test_a_whole_set_has_no_findings_and_repair_keeps_what_it_says(tmp_path):
    made = build(tmp_path, EVERY, "image")
    assert verify(made.store) == []
    tar = Path(made.store.path(made.shards[0].tar))
    content = bytearray(tar.read_bytes())
    content[len(content) // 2] ^= 1
    tar.write_bytes(content)

    done = repair(made.store)

    assert len(done.lost) == 1
    assert verify(made.store) == []
    assert forms_of(done.finished.facts) == FORMS
    assert all(set(row["moved"]) == set(EVERY) for row in manifest(done.finished))


BROKEN = {
    "flac": (b"fLaC", "no FLAC or WAV"),
    "npy": (b"\x93NUMPY\1\0", "no .npy file"),
    "txt": (b"\xff", "no UTF-8"),
    "png": (b"GIF89a", "PNG"),
}


@pytest.mark.parametrize("extension", BROKEN)
def test_a_member_that_does_not_decode_is_named_by_tar_sample_and_reason(extension, tmp_path):
    content, why = BROKEN[extension]
    made = build(tmp_path, EVERY)
    (key, _), *_ = members_named(made, "cls")
    good = {name: dict(members_named(made, name))[key] for name in made.facts["members"]}
    store = Store(str(tmp_path / "broken"))
    shard = write_shard(store, "train-000000.tar", pack([(key, good | {extension: content})]))
    shapes = {name: list(form.shape) for name, form in FORMS.items()}
    facts = SetFacts("x", "train", ["a", "b"], made.facts["members"], shapes, [shard], {}, {}, {})
    commit(store, facts, {"modalities": made.facts["modalities"]}, [])

    with pytest.raises(Damaged) as damaged:
        read_samples(store)

    assert f"train-000000.tar, sample {key}" in str(damaged.value)
    assert why in str(damaged.value)
    assert any(f.member == f"{key}.{extension}" and why in f.problem for f in verify(store))


def test_a_pool_of_events_gives_what_a_model_takes(tmp_path):
    made = build(tmp_path, ("audio", "image", "features"))
    real = EventPool.of_real(candidates(5, ("audio", "image", "features")).batch, 2)
    synthetic = read_events(made.store.url)

    x, soft = MixedEvents(real, synthetic, 0.5, 16, seed=0).batch(0)

    assert {name: (tuple(values.shape), values.dtype) for name, values in x.items()} == {
        "audio": ((16, 1, 80), torch.float32),
        "features": ((16, 4, 2), torch.float32),
        "image": ((16, 3, 4, 6), torch.float32),
    }
    assert (soft.amax(1) == 1).sum() == 8  # one-hot: half of them are real
    assert x["image"].amax() <= 1
    assert x["audio"].abs().amax() < 0.5


def test_events_are_mixed_in_the_order_of_images_alone(tmp_path):
    made = build(tmp_path, ("image", "text"))
    images, events = read_pool(made.store.url), read_events(made.store.url)

    alone, together = MixedBatches(images, images, 0.3, 10, 7), MixedEvents(events, events, 0.3, 10, 7)

    for step in range(5):
        (x, soft), (both, same) = alone.batch(step), together.batch(step)
        assert torch.equal(x, both["image"])
        assert torch.equal(soft, same)


def test_pools_of_different_modalities_are_not_mixed(tmp_path):
    one, other = (EventPool.of_real(candidates(0, names).batch, 2) for names in (("image",), ("image", "text")))

    with pytest.raises(WrongUse, match="pools of image and of image, text"):
        MixedEvents(one, other, 0.5, 4, 0)


def test_the_feed_gives_every_modality_of_a_set_in_its_own_type(tmp_path):
    made = build(tmp_path, EVERY)

    (batch,) = list(Feed([made.store.url], FeedOptions(batch_size=36)))

    kept = {sample.key: sample.inputs for sample in read_samples(made.store)}
    kinds = {"audio": torch.int16, "features": torch.float32, "image": torch.uint8, "text": torch.uint8}
    assert {name: values.dtype for name, values in batch.inputs.items()} == kinds
    assert torch.equal(batch.images, batch.inputs["image"])
    for place, key in enumerate(batch.keys):
        for name in EVERY:
            assert torch.equal(batch.inputs[name][place], kept[key][name])


def test_the_feed_of_a_set_without_images_gives_none(tmp_path):
    made = build(tmp_path, ("features", "text"))

    (batch,) = list(Feed([made.store.url], FeedOptions(batch_size=36)))

    assert batch.images.shape == (36, 0)
    assert batch.inputs["features"].shape == (36, 4, 2)


def test_the_feed_of_two_sets_gives_what_both_hold(tmp_path):
    urls = [build(tmp_path / "".join(n), n).store.url for n in (("image", "features"), ("image", "text"))]

    batch = next(iter(Feed(urls, FeedOptions(batch_size=8))))

    assert batch.inputs.keys() == {"image"}
    with pytest.raises(WrongUse, match="share no modality"):
        Feed([urls[0], build(tmp_path / "t", ("text",)).store.url], FeedOptions(batch_size=8))


def test_pictures_of_a_set_are_drawn_where_it_has_some(tmp_path):
    pictures, none = build(tmp_path / "a", EVERY), build(tmp_path / "b", ("features", "text"))
    rows = [read_manifest(made.store, [each.name for each in made.manifests]) for made in (pictures, none)]

    assert draw_grid(pictures, rows[0]).mode == "RGB"
    with pytest.raises(WrongUse, match="holds no images to draw, but features, text"):
        draw_grid(none, rows[1])


def test_a_set_of_images_alone_says_nothing_of_modalities(shard_set):
    found = read_index(Store(str(shard_set)))

    rows = read_manifest(found.store, [each.name for each in found.manifests])

    assert "modalities" not in found.facts
    assert "moved" not in rows.column_names
    assert found.facts["shapes"] == {"image": [1, 2, 2]}
    assert isinstance(read_pool(str(shard_set)), Pool)
