import io
import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from data.drafts import MEMBERS
from data.files import canonical_json, digest_of
from data.modalities import image
from data.reading import samples_of
from data.shards import INDEX, commit, write_shard
from data.sidecars import SetFacts
from data.store import Store
from data.tars import BLOCK, contents, pack
from data.verify import verify

TAR = "train-000001.tar"


def found_in(folder: Path) -> list[tuple[str, str, str]]:
    return [(finding.file, finding.member, finding.problem) for finding in verify(Store(str(folder)))]


def test_nothing_is_wrong_with_a_whole_set(shard_set):
    assert found_in(shard_set) == []


@pytest.mark.parametrize("where", ["payload", "header", "sample", "no_end", "next_header", "in_header"])
def test_a_cut_is_found_and_what_is_lost_is_named(shard_set, where):
    tar = (shard_set / TAR).read_bytes()
    members = contents(tar)
    middle = next(m for m in members[8:] if m.name.endswith(".png"))
    sample = members[8].offset - BLOCK
    end = {
        "payload": middle.offset + middle.size // 2,
        "header": middle.offset - BLOCK,
        "in_header": middle.offset - BLOCK // 2,
        "sample": sample,
        "no_end": members[-1].offset + BLOCK,
        "next_header": members[8].offset,
    }[where]
    (shard_set / TAR).write_bytes(tar[:end])

    findings = found_in(shard_set)

    lost = [m.name for m in members if m.offset + m.size > end]
    assert [member for file, member, _ in findings if file == TAR and member] == lost
    assert where != "no_end" or "every sample is whole, but its end is not" in findings[0][2]
    assert findings


def test_every_flipped_bit_is_found_and_its_member_named(shard_set):
    tar = (shard_set / TAR).read_bytes()
    members = contents(tar)
    for place in range(0, members[-1].offset + members[-1].size, 97):
        harmed = bytearray(tar)
        harmed[place] ^= 1 << place % 8
        (shard_set / TAR).write_bytes(harmed)

        findings = found_in(shard_set)

        inside = [m.name for m in members if m.offset - BLOCK <= place < m.offset + m.size]
        named = [member for file, member, _ in findings if file == TAR]
        assert set(inside) <= set(named) if inside else named, place


def test_swapped_missing_stale_and_unlisted_shards_are_told_apart(shard_set, build, tmp_path):
    one, two = shard_set / "train-000000.tar", shard_set / TAR
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    (shard_set / "train-000009.tar").write_bytes(first)
    assert [problem for *_, problem in found_in(shard_set)] == [
        "not listed in index.json: left by another build, or put here by hand",
        "holds what train-000001.tar should hold: swapped or copied",
        "holds what train-000000.tar should hold: swapped or copied",
    ]

    (shard_set / "train-000009.tar").unlink()
    one.unlink()
    two.write_bytes(pack([("train-000007-000000", {"cls": b"0"})]).content)
    assert [problem for *_, problem in found_in(shard_set)] == [
        "missing, with 5 samples",
        "none of its 5 samples is the one listed: stale, or of another set",
    ]


def test_an_edited_deleted_or_added_file_is_named(shard_set, tmp_path):
    names = [str(path.relative_to(shard_set)) for path in shard_set.rglob("*") if path.is_file()]
    for name in names:
        for harm in ("edit", "delete"):
            copy = tmp_path / "copy"
            shutil.copytree(shard_set, copy)
            path = copy / name
            path.write_bytes(path.read_bytes() + b" ") if harm == "edit" else path.unlink()

            findings = found_in(copy)

            assert name in {file for file, *_ in findings} or (name == INDEX and harm == "edit"), (name, harm)
            shutil.rmtree(copy)


def test_an_index_whose_counts_were_changed_with_its_digest_is_found(shard_set):
    path = shard_set / INDEX
    index = json.loads(path.read_text())
    del index["digest"]
    index |= {"attempted": 17, "by_class": {"dark": 6, "bright": 8}}
    path.write_bytes(canonical_json(index | {"digest": digest_of(index)}))

    assert [problem for *_, problem in found_in(shard_set)] == [
        "attempted is 17, but the manifests say 16",
        "by_class is {'bright': 8, 'dark': 6}, but the manifests say {'dark': 7, 'bright': 7}",
    ]


def test_no_corruption_of_any_file_crashes_or_passes_unseen(shard_set):
    draw = random.Random(0)
    files = sorted(path for path in shard_set.rglob("*") if path.is_file())
    for _ in range(120):
        path = draw.choice(files)
        content = path.read_bytes()
        place, size = draw.randrange(len(content)), draw.randrange(1, 64)
        path.write_bytes(content[:place] + draw.randbytes(size) + content[place + draw.choice([0, size]) :])

        findings = found_in(shard_set)

        assert findings, (path, place)
        path.write_bytes(content)


def members_of_one(shard_set: Path) -> dict[str, bytes]:
    return dict(samples_of((shard_set / TAR).read_bytes()))[contents((shard_set / TAR).read_bytes())[0].name[:19]]


def npy(values: list[float], kind: str = "<f4") -> bytes:
    out = io.BytesIO()
    np.save(out, np.array(values, dtype=kind))
    return out.getvalue()


@pytest.mark.parametrize(
    ("extension", "content", "why"),
    [
        ("cls", b"2", "no label of 2 classes"),
        ("cls", b"-1", "no label of 2 classes"),
        ("cls", b"0\n", "no label of 2 classes"),
        ("json", b"{", "no JSON"),
        ("json", b'{"label": 1}', "its fields are label"),
        ("probs.npy", b"", "no float32 array of 2 probabilities"),
        ("probs.npy", npy([0.5, 0.5], "<f8"), "no float32 array"),
        ("probs.npy", npy([float("nan"), 0.5]), "do not sum to 1"),
        ("probs.npy", npy([0.9, 0.9]), "do not sum to 1"),
        ("png", b"", "no whole PNG"),
        ("png", b"GIF89a", "PNG"),
    ],
)
def test_a_member_that_does_not_decode_is_named_though_checksums_are_right(
    shard_set, tmp_path, extension, content, why
):
    good = members_of_one(shard_set)
    store = Store(str(tmp_path / "planted"))
    samples = [("train-000000-000000", good), ("train-000000-000001", good | {extension: content})]
    shard = write_shard(store, "train-000000.tar", pack(samples))
    facts = SetFacts("x", "train", ["a", "b"], MEMBERS, {"image": [1, 2, 2]}, [shard], {}, {}, {})
    commit(store, facts, {}, [])

    findings = found_in(tmp_path / "planted")

    assert any(m == f"train-000000-000001.{extension}" and why in problem for _, m, problem in findings), findings


@pytest.mark.parametrize("channels", [1, 3])
def test_every_png_the_codec_makes_passes_and_none_that_is_altered(channels):
    pixels = torch.rand(channels, 5, 4, generator=torch.Generator().manual_seed(0))
    content = image.encode(pixels)
    image.check(content, [channels, 5, 4])

    for place in range(len(content)):
        harmed = bytearray(content)
        harmed[place] ^= 4
        with pytest.raises(image.Damaged):
            image.check(bytes(harmed), [channels, 5, 4])
    for shape in ([channels, 4, 5], [4 - channels, 5, 4]):
        with pytest.raises(image.Damaged):
            image.check(content, shape)


def test_the_progress_reaches_the_whole(shard_set):
    seen = []

    verify(Store(str(shard_set)), lambda done, of: seen.append((done, of)))

    assert seen[-1][0] == seen[-1][1] == sum(path.stat().st_size for path in shard_set.glob("*.tar"))
