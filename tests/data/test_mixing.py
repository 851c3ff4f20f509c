import random
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from data.errors import WrongUse
from data.mixing import Mixture, drawn, quotas, spread


@pytest.mark.parametrize("seed", range(20))
def test_quotas_are_those_of_the_largest_remainder(seed):
    draw = random.Random(seed)
    cuts = sorted(draw.sample(range(1, 1000), 4))
    shares = [(b - a) / 1000 for a, b in zip([0, *cuts], [*cuts, 1000], strict=True)]
    total = draw.randint(200, 5000)

    found = quotas([10] * 5, shares, total)

    exact = [total * Fraction(str(share)) for share in shares]
    assert sum(found) == total
    assert all(abs(count - quota) < 1 for count, quota in zip(found, exact, strict=True))
    raised = [quota % 1 for count, quota in zip(found, exact, strict=True) if count > quota]
    lowered = [quota % 1 for count, quota in zip(found, exact, strict=True) if count <= quota and quota % 1]
    assert not raised or not lowered or min(raised) >= max(lowered)


def test_an_epoch_passes_the_first_part_once_or_all_without_shares():
    assert quotas([30, 1000], [0.3, 0.7]) == (30, 70)
    assert quotas([30, 1000], []) == (30, 1000)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 65, 1000, 5000])
def test_each_pass_of_a_part_is_a_permutation_of_its_own(size):
    passes = [drawn(size, 3, 0, size * number, size * (number + 1)).tolist() for number in range(3)]

    assert all(sorted(rows) == list(range(size)) for rows in passes)
    assert size < 7 or len({tuple(rows) for rows in passes}) == 3


def test_any_piece_of_an_endless_order_can_be_drawn_alone():
    whole = drawn(50, 1, 0, 0, 400)

    for first, last in ((0, 1), (49, 51), (130, 260), (399, 400), (7, 7)):
        assert drawn(50, 1, 0, first, last).tolist() == whole[first:last].tolist()


def test_parts_and_seeds_have_orders_of_their_own():
    orders = {tuple(drawn(100, seed, part, 0, 100).tolist()) for seed in (0, 1) for part in (0, 1)}

    assert len(orders) == 4


def test_the_order_is_the_same_in_every_release():
    assert drawn(10, 0, 0, 0, 10).tolist() == [2, 4, 6, 3, 8, 9, 5, 0, 1, 7]


def test_orders_of_five_rows_are_all_about_as_frequent():
    count = 6000
    rows = drawn(5, 0, 0, 0, 5 * count).reshape(count, 5)

    seen = Counter(map(tuple, rows.tolist()))

    each = count / 120
    chi_square = sum((number - each) ** 2 / each for number in seen.values()) + (120 - len(seen)) * each
    assert chi_square < 119 + 4 * (2 * 119) ** 0.5


@pytest.mark.parametrize("seed", range(20))
def test_samples_of_each_part_are_spread_evenly_over_the_steps(seed):
    draw = random.Random(seed)
    counts = [draw.randint(1, 300) for _ in range(draw.randint(1, 6))]
    steps = draw.randint(1, 60)

    dealt = np.diff(spread(counts, steps), axis=0)

    assert dealt.sum(0).tolist() == counts
    assert np.ptp(dealt.sum(1)) <= 1
    for part, count in enumerate(counts):
        assert set(dealt[:, part].tolist()) <= {count // steps, -(-count // steps)}


@pytest.mark.parametrize("seed", range(10))
def test_ranks_share_what_one_process_would_see(seed):
    draw = random.Random(seed)
    sizes, world = tuple(draw.randint(20, 90) for _ in range(3)), draw.randint(2, 4)
    alone = Mixture(sizes, (), 4 * world, seed)
    ranks = Mixture(sizes, (), 4, seed, world)

    for step in range(ranks.steps):
        whole = Counter(zip(*(column.tolist() for column in alone.batch(1, step, 0)), strict=True))
        parts = [zip(*(c.tolist() for c in ranks.batch(1, step, rank)), strict=True) for rank in range(world)]
        assert sum((Counter(part) for part in parts), Counter()) == whole


@pytest.mark.parametrize(
    ("sizes", "shares", "batch_size", "why"),
    [
        ((), (), 4, "every part must hold a sample"),
        ((3, 0), (), 4, "every part must hold a sample"),
        ((3, 3), (0.5, 0.6), 4, "summing to 1"),
        ((3, 3), (1.0,), 4, "2 parts need as many shares"),
        ((3, 3), (0.5, float("nan")), 4, "above 0"),
        ((3, 3), (), 0, "batch_size and world must be >= 1"),
        ((3, 3), (0.9999, 0.0001), 4, "no sample in an epoch"),
    ],
)
def test_what_cannot_be_mixed_is_wrong_use(sizes, shares, batch_size, why):
    with pytest.raises(WrongUse, match=why):
        Mixture(sizes, shares, batch_size, 0).batch(0, 0, 0)
