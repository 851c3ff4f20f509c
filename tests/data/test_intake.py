import io
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from data.errors import Damaged, WrongUse
from data.intake import Summary, take_in
from data.intake_files import QUARANTINE
from data.pixels import MOST_PIXELS
from data.sources import Found, Source, SourceOptions
from data.taken import must_suffice, open_taken


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (4, 4), dtype=np.uint8)


def good(count: int, first: int = 0) -> list[Found]:
    return [Found(f"s[{n}]", noise(n), n % 2) for n in range(first, first + count)]


def encoded(form: str, mode: str = "L", size: tuple[int, int] = (4, 4), colour: str = "black") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, colour).save(out, form)
    return out.getvalue()


def read(samples: Iterable[Found], into: Path, names: tuple[str, ...] = ("a", "b"), **options: object) -> Summary:
    return take_in(Source(names, iter(samples)), SourceOptions(labelled=0, **options), into)  # type: ignore[arg-type]


def parts_of(folder: Path) -> dict[str, str]:
    table = pq.read_table(folder / "samples.parquet")
    return dict(zip(table["key"].to_pylist(), table["part"].to_pylist(), strict=True))


BAD = {
    "empty": Found("bad", b"", 0),
    "truncated": Found("bad", encoded("PNG", size=(64, 64))[:60], 0),
    "not_an_image": Found("bad", b"hello, I am a text", 0),
    "wrong_mode": Found("bad", encoded("PNG", "RGBA"), 0),
    "wrong_size": Found("bad", encoded("PNG", size=(5, 4)), 0),
    "wrong_shape": Found("bad", np.zeros(7, np.uint8), 0),
    "not_finite": Found("bad", np.full((4, 4), np.nan), 0),
    "out_of_range": Found("bad", np.full((4, 4), 200.0), 0),
    "label_out_of_range": Found("bad", noise(999), 2),
    "no_label": Found("bad", noise(999), None),
    "duplicate": Found("bad", noise(0), 0),
    "bomb": Found("bad", encoded("PNG", "1", (2**14, MOST_PIXELS // 2**14 + 1), "white"), 0),
    "missing_file": Found("bad", b"", 0, None, "missing_file"),
}


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_sample_is_quarantined_with_its_reason_and_the_others_are_kept(reason, tmp_path):
    samples = good(200)
    samples.insert(100, BAD[reason])

    summary = read(samples, tmp_path)

    rows = pq.read_table(tmp_path / QUARANTINE).to_pylist()
    assert [(row["where"], row["reason"]) for row in rows] == [("bad", reason)]
    assert summary.quarantined == {reason: 1}
    assert summary.read == 201 == 1 + sum(n for part in summary.kept.values() for n in part.values())


def test_of_equal_pixels_with_different_labels_none_is_kept(tmp_path):
    summary = read([*good(200), Found("bad", noise(0), 1)], tmp_path)

    rows = pq.read_table(tmp_path / QUARANTINE).to_pylist()
    assert sorted((row["where"], row["reason"]) for row in rows) == [
        ("bad", "conflicting_label"),
        ("s[0]", "conflicting_label"),
    ]
    assert summary.read == 201


def test_over_the_error_budget_the_run_stops_and_says_why(tmp_path):
    samples = [*good(98), BAD["empty"], BAD["no_label"]]

    with pytest.raises(Damaged, match=r"2 of 100 samples are bad \(empty 1, no_label 1\).*error_budget 0\.01.*bad: no"):
        read(samples, tmp_path)
    assert len(pq.read_table(tmp_path / QUARANTINE)) == 2
    assert not (tmp_path / "samples.u8").exists()

    assert read(samples, tmp_path, error_budget=0.02).read == 100


def test_a_source_with_no_good_sample_says_so(tmp_path):
    with pytest.raises(Damaged, match="holds no good sample of 0"):
        read([], tmp_path)


def test_sizes_and_modes_are_converted_on_request(tmp_path):
    samples = [Found("a", encoded("PNG", "RGBA", (7, 5)), 0), Found("b", encoded("JPEG", "L", (4, 9), "white"), 1)]

    summary = read(samples, tmp_path, size=6, channels=3, test_share=0, validation_share=0)

    assert list(summary.shape) == [3, 6, 6]
    assert summary.kept["train"] == {"a": 1, "b": 1}


def test_parts_are_drawn_by_content_and_more_samples_move_none(tmp_path):
    read(good(300), tmp_path / "some", test_share=0.2, validation_share=0.3)
    read(good(900)[::-1], tmp_path / "more", test_share=0.2, validation_share=0.3)

    some, more = parts_of(tmp_path / "some"), parts_of(tmp_path / "more")

    assert some.items() <= more.items()
    shares = Counter(more.values())
    assert abs(shares["test"] - 180) < 60
    assert abs(shares["validation"] - 270) < 60


def test_another_split_seed_draws_other_parts(tmp_path):
    read(good(100), tmp_path / "a", split_seed=0)
    read(good(100), tmp_path / "b", split_seed=1)

    assert parts_of(tmp_path / "a") != parts_of(tmp_path / "b")


def test_declared_parts_are_kept_and_validation_is_drawn_from_training(tmp_path):
    samples = [Found(s.where, s.content, s.label, "test" if n < 100 else "train") for n, s in enumerate(good(500))]

    summary = read(samples, tmp_path, test_share=0.2, validation_share=0.2)

    totals = {part: sum(classes.values()) for part, classes in summary.kept.items()}
    assert totals["test"] == 100
    assert abs(totals["validation"] - 100) < 50
    assert sum(totals.values()) == 500


def test_labelled_samples_are_as_many_of_each_class_and_more_of_them_contain_fewer(tmp_path):
    read(good(400), tmp_path)
    taken = open_taken(tmp_path)

    few, many = (taken.batch("train", SourceOptions(labelled=count)) for count in (21, 60))

    assert Counter(few.labels.tolist()) == {0: 11, 1: 10}
    assert set(few.keys) <= set(many.keys)
    with pytest.raises(WrongUse, match=r"asks for 500 training samples of class 'a', which has"):
        must_suffice(taken.summary, 1000)


def test_unlabelled_samples_are_the_other_training_samples_and_read_as_they_are_wanted(tmp_path):
    read(good(400), tmp_path)
    taken, some = open_taken(tmp_path), SourceOptions(labelled=60)
    every = taken.batch("train", SourceOptions(labelled=0))

    found = taken.unlabelled(some)

    assert set(found.keys) == set(every.keys) - set(taken.batch("train", some).keys)
    rows = torch.tensor([len(found) - 1, 0])
    place = [every.keys.index(found.keys[row]) for row in rows]
    assert torch.equal(found.read(rows), every.inputs["image"][place])


def test_where_every_sample_is_labelled_none_is_unlabelled(tmp_path):
    read(good(100), tmp_path)

    with pytest.raises(WrongUse, match=r"all \d+ training samples are labelled.*give source\.labelled a lower number"):
        open_taken(tmp_path).unlabelled(SourceOptions(labelled=0))


def test_samples_apart_from_another_source_are_those_whose_content_that_does_not_hold(tmp_path):
    mine, theirs = good(60), [*good(10), *good(30, 500)]
    read(mine, tmp_path / "mine")
    read([Found(f"their {found.where}", found.content, 0) for found in theirs], tmp_path / "theirs", ("unlabelled",))
    ours, beside = open_taken(tmp_path / "mine"), open_taken(tmp_path / "theirs")

    found = beside.apart_from(ours)

    assert len(found) == 30
    assert not set(found.keys) & set(ours.keys().to_pylist())
    with pytest.raises(WrongUse, match="no sample that the source does not hold"):
        ours.apart_from(ours)


def test_names_of_labels_without_names_are_numbers_or_the_labels_themselves(tmp_path):
    read([Found("a", noise(0), 3), Found("b", noise(1), 0)], tmp_path / "n", ())
    read([Found("a", noise(0), "dog"), Found("b", noise(1), "cat")], tmp_path / "s", ())

    assert open_taken(tmp_path / "n").summary.class_names == ["0", "3"]
    assert open_taken(tmp_path / "s").summary.class_names == ["cat", "dog"]


def test_a_folder_without_samples_says_what_to_do(tmp_path):
    with pytest.raises(Damaged, match="run the stages before this one"):
        open_taken(tmp_path)


@pytest.mark.parametrize("stray", [200, "cat", "sixty"])
def test_a_rare_label_apart_from_all_others_is_no_class(stray, tmp_path):
    summary = read([*good(200), Found("bad", noise(999), stray)], tmp_path, ())

    assert summary.class_names == ["0", "1"]
    assert summary.quarantined == {"label_out_of_range": 1}


def test_labels_apart_that_are_not_rare_are_classes_in_the_order_of_numbers(tmp_path):
    samples = [Found(f.where, f.content, [9, 10, "ten"][n % 3]) for n, f in enumerate(good(90))]

    assert read(samples, tmp_path, ()).class_names == ["9", "10", "ten"]


@pytest.mark.parametrize("declared", [("train",), ("train", "validation"), ("train", "test"), ("test", "validation")])
def test_a_part_that_the_source_does_not_name_is_drawn(declared, tmp_path):
    samples = [Found(f.where, f.content, f.label, declared[n % len(declared)]) for n, f in enumerate(good(600))]
    more = [Found(f.where, f.content, f.label) for f in good(200, 600)]

    summary = read([*samples, *more], tmp_path, test_share=0.2, validation_share=0.2)

    assert all(sum(classes.values()) > 30 for classes in summary.kept.values())


@pytest.mark.parametrize("order", [1, -1])
def test_of_equal_samples_the_one_in_the_test_part_stays_whatever_the_order(order, tmp_path):
    copies = [Found("a", noise(999), 0, "train"), Found("b", noise(999), 0, "test"), Found("c", noise(999), 0)]

    summary = read([*good(500), *copies[::order]], tmp_path)

    rows = pq.read_table(tmp_path / QUARANTINE).to_pylist()
    assert {(row["where"], row["detail"]) for row in rows} == {(w, "the same content as b") for w in "ac"}
    assert sum(summary.kept["test"].values()) == 1


def test_moving_a_sample_to_another_part_changes_what_is_handed_on_but_not_the_content(tmp_path):
    samples = [Found(f.where, f.content, f.label, "test" if n % 2 else "train") for n, f in enumerate(good(100))]
    moved = [*samples[:-1], Found("z", samples[-1].content, samples[-1].label, "train")]

    one, two = read(samples, tmp_path / "one"), read(moved, tmp_path / "two")

    assert one.digest == two.digest
    assert one.division != two.division


def test_a_class_without_a_training_sample_is_named(tmp_path):
    read([*good(100), Found("z", noise(999), 2, "test")], tmp_path, ("a", "b", "rare"))

    with pytest.raises(WrongUse, match="class 'rare', which has 0"):
        must_suffice(open_taken(tmp_path).summary, 0)
    with pytest.raises(WrongUse, match="one sample of each of 3 classes at least, got 2"):
        must_suffice(open_taken(tmp_path).summary, 2)


def test_a_source_without_validation_samples_is_refused(tmp_path):
    summary = read(good(100), tmp_path, validation_share=0)

    with pytest.raises(WrongUse, match=r"no sample: see source\.validation_share"):
        must_suffice(summary, 0)


def test_the_first_sample_may_be_the_odd_one(tmp_path):
    summary = read([BAD["wrong_size"], *good(200)], tmp_path)

    assert summary.quarantined == {"wrong_size": 1}


def test_pixels_of_more_than_8_bits_are_not_clipped_but_refused(tmp_path):
    deep = io.BytesIO()
    Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(deep, "png")

    summary = read([*good(200), Found("bad", deep.getvalue(), 0)], tmp_path, channels=1)

    assert summary.quarantined == {"wrong_mode": 1}


def test_names_of_samples_are_no_classes(tmp_path):
    samples = [Found(f"s[{n}]", np.array([[n >> 8, n & 255]], np.uint8), f"name {n}") for n in range(10_001)]

    with pytest.raises(Damaged, match="10001 different labels are no classes"):
        read(samples, tmp_path, (), error_budget=0)


def test_names_that_are_no_utf_8_are_written_as_escapes(tmp_path):
    named = [Found("b\udcff good", noise(500), 0), Found("b\udcfe bad", b"no image", 0)]

    summary = read([*good(200), *named], tmp_path)

    assert summary.quarantined == {"not_an_image": 1}
    assert "b\\udcff good" in pq.read_table(tmp_path / "samples.parquet")["where"].to_pylist()
    assert pq.read_table(tmp_path / QUARANTINE)["where"].to_pylist() == ["b\\udcfe bad"]
