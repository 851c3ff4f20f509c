"""Digits drawn from fonts: whose they are, where they lie, and that no font is on both sides of a split."""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
import torch

from data.errors import WrongUse
from data.intake import take_in
from data.sources import SourceOptions, source_of
from data.sources.rendered_digits import FONTS, fields, parts_of_fonts
from data.taken import open_taken

OPTIONS = SourceOptions(name="rendered_digits", drawn=300, validation_share=0.2, test_share=0.2, labelled=0)


def drawn_by(options):
    return list(source_of(options).samples)


def font_of(sample):
    return sample.where.split(" in ")[1]


def test_every_digit_comes_as_often_as_any_other_in_the_size_asked_for():
    for size in (8, 16, 28):
        found = drawn_by(replace(OPTIONS, size=size))

        assert [sample.label for sample in found] == [row % 10 for row in range(300)]
        assert {(sample.content.shape, sample.content.dtype.name) for sample in found} == {((size, size), "uint8")}
        assert min(sample.content.max() for sample in found) > 40  # none is blank


def test_a_split_never_shares_a_font_and_every_part_has_one():
    for seed in range(5):
        fonts = defaultdict(set)
        for sample in drawn_by(replace(OPTIONS, split_seed=seed)):
            fonts[sample.part].add(font_of(sample))

        assert set(fonts) == {"train", "validation", "test"}
        assert not fonts["train"] & (fonts["validation"] | fonts["test"])
        assert not fonts["validation"] & fonts["test"]


def test_shares_of_nothing_leave_every_font_for_training():
    assert set(parts_of_fonts(replace(OPTIONS, validation_share=0, test_share=0))) == {"train"}


def test_the_same_seed_draws_the_same_digits_and_another_seed_others():
    one, two, other = (
        np.stack([sample.content for sample in drawn_by(replace(OPTIONS, draw_seed=seed))]) for seed in (1, 1, 2)
    )

    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_more_digits_begin_with_the_same_ones():
    few, many = (drawn_by(replace(OPTIONS, drawn=count)) for count in (500, 700))

    assert all(np.array_equal(a.content, b.content) for a, b in zip(few, many, strict=False))


def test_a_field_is_positive_inside_a_glyph_and_its_zero_level_is_as_tall_as_stated():
    one = fields()[FONTS.index("DejaVuSans"), 1]

    rows = (one > 0).any(1).nonzero()[0]
    assert abs((rows.max() + 1 - rows.min()) - 44) <= 2
    assert one[0, 0] < -5


def test_from_16_pixels_on_the_centre_of_mass_lies_near_the_middle():
    for sample in drawn_by(replace(OPTIONS, size=28))[:50]:
        mass = torch.from_numpy(sample.content).float()
        middle = (mass.sum(0) * (torch.arange(28) + 0.5)).sum() / mass.sum()

        assert abs(middle - 14) < 1.5


def test_below_16_pixels_grey_is_a_count_of_sixteen():
    found = np.stack([sample.content for sample in drawn_by(OPTIONS)])

    assert set(np.unique(found)) <= {round(255 * count / 16) for count in range(17)}


def test_it_is_taken_in_with_few_duplicates(tmp_path):
    summary = take_in(source_of(OPTIONS), OPTIONS, tmp_path)

    assert summary.shape == [1, 8, 8]
    assert len(open_taken(tmp_path).batch("train", OPTIONS)) > 100


def test_a_size_that_shows_no_digit_is_refused():
    with pytest.raises(WrongUse, match=r"source\.size must be 0 or >= 4 to show a digit, got 2"):
        source_of(replace(OPTIONS, size=2))
