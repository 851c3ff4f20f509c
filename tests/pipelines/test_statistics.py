import numpy as np
import pytest
from scipy.stats import binomtest

from generators.pairs import chance_of
from pipelines.training.evaluation.statistics import accuracy, difference, mcnemar, spread


def first_of(right: int, size: int) -> np.ndarray:
    """Flags that are true on the first `right` of `size` samples."""
    return np.arange(size) < right


@pytest.mark.parametrize(("right", "size"), [(0, 10), (7, 10), (10, 10), (143, 200), (399, 400)])
def test_an_accuracy_has_the_interval_that_scipy_gives(right, size):
    found = accuracy(first_of(right, size))

    expected = binomtest(right, size).proportion_ci(method="wilson")
    assert found.percent == pytest.approx(100 * right / size)
    assert (found.low, found.high) == pytest.approx((100 * expected.low, 100 * expected.high))


def test_all_of_ten_right_may_still_be_72_percent():
    found = accuracy(first_of(10, 10))

    assert found.high == 100
    assert found.low == pytest.approx(100 * 10 / (10 + 1.959964**2))  # n / (n + z^2), Wilson's bound at 1


def test_an_accuracy_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one sample, got none"):
        accuracy(first_of(0, 0))


def test_mcnemar_counts_the_samples_on_which_one_alone_is_right():
    first, second = np.array([1, 1, 1, 1, 1, 0, 0, 1], bool), np.array([0, 0, 0, 0, 0, 0, 1, 1], bool)

    found = mcnemar(first, second)

    assert (found.only_first, found.only_second) == (5, 1)
    assert found.chance == pytest.approx(2 * (6 + 1) / 2**6)  # 5 or 6 heads of 6 throws, either way


@pytest.mark.parametrize(("ahead", "behind"), [(0, 0), (3, 3), (12, 3), (3, 12), (80, 55)])
def test_mcnemar_agrees_with_scipys_binomial_test(ahead, behind):
    first = np.arange(200) < ahead
    second = (np.arange(200) >= ahead) & (np.arange(200) < ahead + behind)

    expected = binomtest(ahead, ahead + behind).pvalue if ahead + behind else 1.0
    assert mcnemar(first, second).chance == pytest.approx(expected)


def test_a_fair_coin_gives_three_of_three_once_in_eight():
    assert chance_of(3, 0) == 1 / 8
    assert chance_of(0, 3) == 1
    assert chance_of(0, 0) == 1


def test_a_difference_is_the_mean_gap_within_its_interval():
    gap = difference(np.tile(first_of(320, 400), (5, 1)), np.tile(first_of(280, 400), (5, 1)))

    assert gap.mean == pytest.approx(10)
    assert 5 < gap.low < 10 < gap.high < 15


def test_a_difference_has_the_width_of_a_paired_gap_on_paper():
    gap = difference(first_of(320, 400)[None], first_of(280, 400)[None])

    half = 1.96 * 100 * (0.1 * 0.9 / 400) ** 0.5  # of the gap, 1 on a tenth of the samples
    assert (gap.high - gap.low) / 2 == pytest.approx(half, rel=0.05)


def test_equal_models_differ_by_nothing():
    gap = difference(first_of(320, 400)[None], first_of(320, 400)[None])

    assert (gap.mean, gap.low, gap.high) == (0, 0, 0)


@pytest.mark.parametrize("compare", [mcnemar, difference])
def test_flags_of_other_samples_are_not_compared(compare):
    with pytest.raises(ValueError, match="pairs need the same samples"):
        compare(first_of(3, 10)[None], first_of(3, 11)[None])


def test_spread_shows_a_deviation_only_where_there_is_one():
    assert spread([80.0]) == "80.0"
    assert spread([79.0, 81.0]) == "80.0 ± 1.4"
