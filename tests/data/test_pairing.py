"""Events of two modalities: who meets whom, that no part shares a member with another, and what cannot be joined."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from data.errors import WrongUse
from data.intake import Summary, take_in
from data.pairing import Pairs, open_pairs, take_in_pairs
from data.sources import PARTS, Found, Side, Source, SourceOptions, source_of
from data.tars import pack

OPTIONS = SourceOptions(name="paired", first=Side("a"), second=Side("b"), labelled=0)


def pictures(count: int, classes: int = 3) -> Source:
    """Grey pictures, the label in the first pixel."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 4, 4), dtype=np.uint8)
    images[:, 0, 0] = np.arange(count) % classes
    found = (Found(f"picture {n}", image, n % classes) for n, image in enumerate(images))
    return Source(tuple("abcdefghij"[:classes]), found)


def rows(count: int, classes: int = 3) -> Source:
    """Features, the label first."""
    values = np.random.default_rng(1).normal(size=(count, 5))
    values[:, 0] = np.arange(count) % classes
    found = (Found(f"row {n}", row, n % classes) for n, row in enumerate(values))
    return Source(tuple("abcdefghij"[:classes]), found, "features")


def taken(folder: Path, many: int = 300, few: int = 120, options: SourceOptions = OPTIONS) -> Pairs:
    take_in_pairs(Source((), iter(()), "", {"image": pictures(many), "features": rows(few)}), options, folder)
    return open_pairs(folder)


def test_both_members_of_an_event_and_its_label_are_of_one_class(tmp_path):
    batch = taken(tmp_path).batch("train", OPTIONS)

    assert torch.equal((batch.inputs["image"][:, 0, 0, 0] * 255).round().long(), batch.labels)
    assert torch.equal(batch.inputs["features"][:, 0].long(), batch.labels)
    assert sorted(batch.keys) == list(batch.keys)
    assert len(set(batch.keys)) == len(batch)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_member_of_either_side_is_in_two_parts_whatever_the_seed(seed, tmp_path):
    pairs = taken(tmp_path)
    first = {part: pairs.members(part, OPTIONS) for part in PARTS}
    again = {part: pairs.members(part, replace(OPTIONS, pair_seed=seed)) for part in PARTS}

    for one in PARTS:
        for other in set(PARTS) - {one}:
            for side in (0, 1):
                assert not {event[side] for event in first[one]} & {event[side] for event in again[other]}


def test_every_sample_of_the_longer_side_comes_once_and_the_others_evenly(tmp_path):
    pairs = taken(tmp_path)

    events = pairs.members("train", OPTIONS)

    pictures_used, rows_used = ([event[side] for event in events] for side in (0, 1))
    sides = [pairs.sides[name].batch("train", OPTIONS) for name in ("image", "features")]
    assert sorted(pictures_used) == sorted(sides[0].keys)
    assert set(rows_used) == set(sides[1].keys)
    assert len(set(events)) == len(events)
    for label in range(3):
        mine = {key for key, of in zip(sides[1].keys, sides[1].labels.tolist(), strict=True) if of == label}
        uses = [rows_used.count(key) for key in mine]
        assert max(uses) - min(uses) <= 1


def test_another_seed_pairs_the_same_members_otherwise_and_the_same_seed_again(tmp_path):
    pairs = taken(tmp_path)

    one, same, other = (set(pairs.members("train", replace(OPTIONS, pair_seed=seed))) for seed in (0, 0, 1))

    assert one == same
    assert {event[0] for event in one} == {event[0] for event in other}
    assert len(one & other) < len(one) / 2


def test_labelled_takes_as_many_of_either_side_whoever_meets_whom(tmp_path):
    pairs, few = taken(tmp_path), replace(OPTIONS, labelled=6)

    one, other = (pairs.members("train", replace(few, pair_seed=seed)) for seed in (0, 1))

    for side in (0, 1):
        assert len({event[side] for event in one}) == 6
        assert {event[side] for event in one} == {event[side] for event in other}


def test_the_summary_counts_events_and_both_sides(tmp_path):
    pairs = taken(tmp_path)

    for part in PARTS:
        batch = pairs.batch(part, OPTIONS)
        counted = {name: int((batch.labels == label).sum()) for label, name in enumerate("abc")}
        assert pairs.summary.kept[part] == counted
    assert pairs.summary.read == 420
    assert pairs.summary.sides == ["image", "features"]
    assert pairs.forms()["image"].shape == (1, 4, 4)
    assert len(pairs.forms()["features"].unit) == 5


def test_features_are_measured_on_the_training_part_alone(tmp_path):
    pairs = taken(tmp_path)

    spread = pairs.sides["features"].batch("train", OPTIONS).inputs["features"].double().std(0, correction=0)

    assert pairs.forms()["features"].unit == pytest.approx(spread.tolist())


def test_the_division_tells_the_pairing_and_the_digest_the_content(tmp_path):
    first = taken(tmp_path / "a").summary
    same, reseeded = taken(tmp_path / "b").summary, taken(tmp_path / "c", options=replace(OPTIONS, pair_seed=1)).summary
    other = taken(tmp_path / "d", few=121).summary

    assert (first.digest, first.division) == (same.digest, same.division)
    assert (first.digest == reseeded.digest, first.division == reseeded.division) == (True, False)
    assert first.digest != other.digest


def test_sides_of_different_classes_are_refused(tmp_path):
    sides = {"image": pictures(60, 3), "features": rows(60, 4)}

    with pytest.raises(WrongUse, match=r"different classes: \['a', 'b', 'c'\] and \['a', 'b', 'c', 'd'\]"):
        take_in_pairs(Source((), iter(()), "", sides), OPTIONS, tmp_path)


def test_what_takes_one_modality_in_refuses_pairs(tmp_path):
    with pytest.raises(WrongUse, match="gives pairs of image and features"):
        take_in(Source((), iter(()), "", {"image": pictures(9), "features": rows(9)}), OPTIONS, tmp_path)


def captioned(folder: Path, count: int = 200) -> SourceOptions:
    """Tars of pictures with captions and sounds of features, and a recipe of pictures with captions, by name."""
    rng, samples = np.random.default_rng(0), []
    for number in range(count):
        png, npy = io.BytesIO(), io.BytesIO()
        picture = rng.integers(0, 256, (6, 4, 3), dtype=np.uint8)
        picture[0, 0] = number
        Image.fromarray(picture).save(png, "png")
        np.save(npy, rng.normal(size=(2, 3)).astype(np.float32))
        words = f"a picture of class {number % 2}".encode()
        members = {"cls": b"%d" % (number % 2), "png": png.getvalue(), "txt": words, "npy": npy.getvalue()}
        samples.append((f"k{number:04d}", members))
    folder.mkdir()
    (folder / "all-000000.tar").write_bytes(pack(samples[:90]).content)
    (folder / "all-000001.tar").write_bytes(pack(samples[90:]).content)
    first = Side("webdataset", str(folder), "image")
    return replace(OPTIONS, first=first, second=replace(first, modality="text", length=30), join="id")


def by_name(options: SourceOptions, folder: Path) -> Pairs:
    take_in_pairs(source_of(options), options, folder)
    return open_pairs(folder)


def test_by_name_each_picture_keeps_its_own_caption_and_all_are_there(tmp_path):
    pairs = by_name(options := captioned(tmp_path / "tars"), tmp_path / "in")

    seen = 0
    for part in PARTS:
        batch = pairs.batch(part, options)
        seen += len(batch)
        assert batch.inputs["image"].shape[1:] == (3, 6, 4)
        texts = [bytes(row.tolist()).rstrip(b"\0").decode() for row in batch.inputs["text"]]
        assert texts == [f"a picture of class {label}" for label in batch.labels.tolist()]
    assert seen == 200


def test_by_name_features_of_a_tar_stay_with_their_picture(tmp_path):
    options = captioned(tmp_path / "tars")
    options = replace(options, second=replace(options.second, modality="features", length=0))
    pairs = by_name(options, tmp_path / "in")
    batch = pairs.batch("test", options)

    other = replace(options, first=options.second, second=options.first)
    turned = by_name(other, tmp_path / "turned").batch("test", other)

    def events(found):
        flat = [found.inputs[name].flatten(1) for name in ("image", "features")]
        return sorted(map(tuple, torch.cat(flat, 1).tolist()))

    assert events(batch) == events(turned)


def test_by_name_no_name_is_in_two_parts(tmp_path):
    pairs = by_name(options := captioned(tmp_path / "tars"), tmp_path / "in")

    names = [set(pairs.sides["image"].rows(part, options)["name"].to_pylist()) for part in PARTS]

    assert sum(map(len, names)) == len(set.union(*names)) == 200


def test_by_name_what_has_no_partner_or_another_label_is_no_event(tmp_path):
    def side(kind: str, labels: list[int], first: int) -> Source:
        draw = np.random.default_rng(first)
        content = [
            draw.integers(0, 255, (4, 4), dtype=np.uint8) if kind == "image" else draw.normal(size=3) for _ in labels
        ]
        found = (
            Found(f"{n}", c, y, None, "", f"n{first + n}") for n, (c, y) in enumerate(zip(content, labels, strict=True))
        )
        return Source(("a", "b"), found, kind)

    options = replace(OPTIONS, join="id", validation_share=0, test_share=0)
    sides = {"image": side("image", [0, 1] * 50, 0), "features": side("features", [0, 1] * 48 + [0, 0, 0, 0], 2)}
    summary = take_in_pairs(Source((), iter(()), "", sides), options, tmp_path)

    # names n2 to n99 are on both sides; of n98 to n101 the features' labels are all 0: n99's is not the picture's
    assert summary.kept["train"] == {"a": 49, "b": 48}


def test_a_pair_needs_two_sources_of_different_modalities():
    for first, second, why in [
        (Side("digits"), Side(""), "source.second.name"),
        (Side("digits"), Side("digits"), "both sides of the pair are image"),
        (Side("digits", modality="audio"), Side("digits"), "digits holds image, not source.modality 'audio'"),
        (Side("paired"), Side("digits"), "source.first.name and source.second.name say which"),
    ]:
        with pytest.raises(WrongUse, match=why):
            source_of(replace(OPTIONS, first=first, second=second))


def test_the_same_files_give_the_same_summary_for_one_modality(tmp_path):
    options = replace(captioned(tmp_path / "tars"), name="webdataset", path=str(tmp_path / "tars"), join="class")
    sound = replace(options, modality="text", length=30, error_budget=1.0)

    pictures_in: Summary = take_in(source_of(options), options, tmp_path / "a")
    texts_in = take_in(source_of(sound), sound, tmp_path / "b")

    assert (pictures_in.modality, pictures_in.shape, pictures_in.quarantined) == ("image", [3, 6, 4], {})
    assert (texts_in.modality, texts_in.shape, texts_in.quarantined) == ("text", [30], {"duplicate": 198})


def test_by_name_the_division_tells_who_meets_whom(tmp_path):
    options = {}
    for where, swapped in (("a", {}), ("b", {0: 2, 2: 0})):
        for number in range(40):
            for side, kind in (("pictures", "png"), ("captions", "txt")):
                name = swapped.get(number, number) if side == "captions" else number
                file = tmp_path / where / side / f"c{number % 2}" / f"{name}.{kind}"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.new("L", (4, 4), number).save(file) if kind == "png" else file.write_text(f"caption {number}")
        first = Side("image_folder", str(tmp_path / where / "pictures"))
        second = Side("image_folder", str(tmp_path / where / "captions"), "text", 12)
        options[where] = replace(OPTIONS, first=first, second=second, join="id", validation_share=0.0, test_share=0.0)

    found = {where: by_name(options[where], tmp_path / f"in-{where}").summary for where in options}

    assert found["a"].digest == found["b"].digest
    assert found["a"].division != found["b"].division
