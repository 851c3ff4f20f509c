import pytest
import torch

from data.errors import WrongUse
from data.sources import SourceOptions
from data.sources.digits import digits


def test_the_parts_are_disjoint_and_together_are_all_digits():
    parts = [digits(part, SourceOptions()) for part in ("train", "validation", "test")]

    keys = [key for part in parts for key in part.keys]

    assert [len(part) for part in parts] == [300, 748, 749]
    assert len(set(keys)) == 1797


def test_every_class_has_the_same_number_of_labelled_samples():
    train = digits("train", SourceOptions(labelled=100))

    assert torch.bincount(train.labels).tolist() == [10] * 10


def test_images_lie_in_their_range():
    images = digits("test", SourceOptions()).inputs["image"]

    assert images.shape[1:] == (1, 8, 8)
    assert images.min() == 0
    assert images.max() == 1


def test_another_split_seed_gives_other_samples():
    one, two = (digits("train", SourceOptions(split_seed=seed)) for seed in (0, 1))

    assert one.keys != two.keys


@pytest.mark.parametrize("labelled", [15, 5000])
def test_a_number_of_labels_that_cannot_be_had_is_wrong_use(labelled):
    with pytest.raises(WrongUse, match=f"got {labelled}"):
        digits("train", SourceOptions(labelled=labelled))
