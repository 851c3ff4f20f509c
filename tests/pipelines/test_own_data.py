"""What a user's own samples must be like is said before any training."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from data.errors import WrongUse
from data.intake import take_in
from data.sources import Found, Side, Source, SourceOptions
from data.taken import open_taken
from pipelines.recipes import DEFAULT, Recipe
from pipelines.training.evaluation.robustness import must_be_comparable
from pipelines.training.participants import must_do, samples, shape_of, unlabelled_of
from pipelines.training.places import SOURCE, UNLABELLED
from pipelines.training.work import read_source, take_unlabelled


def taken_in(run, classes: int, side: int = 4) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (20 * classes + 1, side, side, 3), dtype=np.uint8)
    parts = ("train", "validation")
    found = [Found(str(n), image, n % classes, parts[n // classes % 2]) for n, image in enumerate(images)]
    names = tuple(f"class {label}" for label in range(classes))
    take_in(Source(names, iter(found)), SourceOptions(test_share=0), run / SOURCE)


def test_the_classifier_gets_the_shape_and_classes_of_the_samples(tmp_path):
    taken_in(tmp_path, classes=5)

    shape = shape_of(tmp_path)

    assert (shape.channels, shape.height, shape.width, shape.classes) == (3, 4, 4, 5)
    assert samples(tmp_path, "train", SourceOptions(labelled=5)).inputs["image"].shape == (5, 3, 4, 4)


def test_images_of_odd_size_are_refused_with_the_option_that_mends_it(tmp_path):
    taken_in(tmp_path, classes=2, side=27)

    with pytest.raises(WrongUse, match=r"images are 27 x 27; the networks take even sizes: --source\.size 28"):
        shape_of(tmp_path)


def test_what_cannot_be_attacked_at_the_end_is_refused_at_the_beginning(tmp_path):
    taken_in(tmp_path, classes=3)

    with pytest.raises(WrongUse, match="the test part of the source has no"):
        must_be_comparable(tmp_path, "test")


def folder_of_images(folder, count: int, side: int, begin: int = 0) -> str:
    for n in range(begin, begin + count):
        (folder / str(n % 2)).mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(n).integers(0, 256, (side, side), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / str(n % 2) / f"{n}.png")
    return str(folder)


def reading_beside(tmp_path, side: int, **more) -> Recipe:
    mine = folder_of_images(tmp_path / "mine", 60, 8)
    beside = Side("image_folder", folder_of_images(tmp_path / "more", 40, side, 50))
    source = SourceOptions(name="image_folder", path=mine, unlabelled=replace(beside, **more))
    mix = {"unlabelled": 1.0}
    return replace(DEFAULT, source=source, search=replace(DEFAULT.search, mix=mix))


def test_samples_of_a_source_beside_are_taken_in_without_their_labels_and_without_copies_of_our_own(tmp_path):
    recipe = reading_beside(tmp_path, side=8)

    read_source(recipe, tmp_path / "run")

    facts = take_unlabelled(recipe, tmp_path / "run")

    found = unlabelled_of(tmp_path / "run", recipe.source)
    assert facts["read"] == 40
    assert len(found) == 30  # ten are ours as well
    assert open_taken(tmp_path / "run" / UNLABELLED).summary.class_names == ["unlabelled"]
    assert found.read(torch.tensor([3, 3])).shape == (2, 1, 8, 8)


def test_samples_beside_of_another_shape_are_refused_with_the_option_that_mends_it(tmp_path):
    recipe = reading_beside(tmp_path, side=6)
    read_source(recipe, tmp_path / "run")

    with pytest.raises(WrongUse, match=r"unlabelled are \(1, 6, 6\), the source's \(1, 8, 8\): set source\.size"):
        take_unlabelled(recipe, tmp_path / "run")


def test_samples_beside_that_are_no_images_are_refused(tmp_path):
    (tmp_path / "more/a").mkdir(parents=True)
    (tmp_path / "more/a/1.txt").write_text("a text")

    with pytest.raises(WrongUse, match=r"source\.unlabelled holds text, and the source images"):
        take_unlabelled(reading_beside(tmp_path, side=8, modality="text", length=9), tmp_path / "run")


def test_a_source_beside_that_is_not_there_is_named(tmp_path):
    with pytest.raises(WrongUse, match=r"source\.unlabelled: .*none"):
        take_unlabelled(reading_beside(tmp_path, side=8, path=str(tmp_path / "none")), tmp_path / "run")


def test_unlabelled_samples_that_no_search_draws_on_are_refused(tmp_path):
    recipe = reading_beside(tmp_path, side=8)
    read_source(recipe, tmp_path / "run")

    with pytest.raises(WrongUse, match=r"drawn on by search\.mix\.unlabelled alone"):
        must_do(tmp_path / "run", replace(recipe.source, labelled=4), unlabelled=False)


def test_what_is_neither_images_nor_pairs_is_refused_before_it_is_read(tmp_path):
    (tmp_path / "in/a").mkdir(parents=True)
    (tmp_path / "in/a/1.txt").write_text("a text")
    texts = SourceOptions(name="image_folder", path=str(tmp_path / "in"), modality="text")

    with pytest.raises(WrongUse, match="holds text, and runs train on images or on pairs"):
        read_source(replace(DEFAULT, source=texts), tmp_path / "run")
    assert not (tmp_path / "run").exists()
