"""What a user's own samples must be like is said before any training."""

from dataclasses import replace

import numpy as np
import pytest

from data.errors import WrongUse
from data.intake import take_in
from data.sources import Found, Source, SourceOptions
from pipelines.recipes import DEFAULT
from pipelines.training.evaluation.robustness import must_be_comparable
from pipelines.training.participants import samples, shape_of
from pipelines.training.places import SOURCE
from pipelines.training.work import read_source


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


def test_what_is_neither_images_nor_pairs_is_refused_before_it_is_read(tmp_path):
    (tmp_path / "in/a").mkdir(parents=True)
    (tmp_path / "in/a/1.txt").write_text("a text")
    texts = SourceOptions(name="image_folder", path=str(tmp_path / "in"), modality="text")

    with pytest.raises(WrongUse, match="holds text, and runs train on images or on pairs"):
        read_source(replace(DEFAULT, source=texts), tmp_path / "run")
    assert not (tmp_path / "run").exists()
