"""Which classes are looked for: solved on paper, then in a draft."""

import pytest
import torch

from data.errors import WrongUse
from data.records import Batch
from pipelines.training.drafting import ShardOptions
from pipelines.training.quotas import poured, quotas_of, rounded

NAMES = ("cat", "dog", "emu")
EVEN = torch.full((3,), 1 / 3)


def real(*counts: int) -> Batch:
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return Batch(tuple(f"real-{i}" for i in range(len(labels))), {}, labels)


def wanted_of(quotas, count: int) -> list[int]:
    labels = quotas.labels(count, count, torch.Generator().manual_seed(0))
    return torch.bincount(labels, minlength=len(quotas.shares)).tolist()


@pytest.mark.parametrize(
    ("have", "rates", "count", "wanted"),
    [
        ([0, 0, 0], [1, 1, 1], 30, [10, 10, 10]),
        ([0, 6, 90], [1, 1, 1], 14, [10, 4, 0]),
        ([0, 0, 0], [1, 0.5, 0.25], 70, [10, 20, 40]),
        ([10, 0, 40], [1, 0.5, 1], 40, [20 / 3, 100 / 3, 0]),  # 10 + a = b / 2, a + b = 40
    ],
)
def test_candidates_are_poured_where_samples_are_missing(have, rates, count, wanted):
    have, rates = torch.tensor(have).double(), torch.tensor(rates).double()

    found = poured(EVEN.double(), have, rates, count)

    assert found.tolist() == pytest.approx(wanted)


@pytest.mark.parametrize("seed", range(10))
def test_all_is_poured_and_no_class_that_gets_some_is_above_another_that_gets_some(seed):
    rng = torch.Generator().manual_seed(seed)
    shares, have, rates = (torch.rand(6, generator=rng, dtype=torch.double) + 0.01 for _ in range(3))
    shares, have = shares / shares.sum(), 100 * have

    found = poured(shares, have, rates, 80)

    levels = (have + found * rates) / shares
    assert found.sum().item() == pytest.approx(80)
    assert levels[found > 0].tolist() == pytest.approx([levels.min().item()] * int((found > 0).sum()))


def test_rounding_loses_and_adds_none():
    found = rounded(torch.tensor([0.5, 0.25, 0.25, 0.0]), 11)

    assert found.tolist() == [5, 3, 3, 0]


def test_evenly_is_no_quota():
    assert quotas_of(real(5, 3, 1), NAMES, "even", {}, parts=1) is None


def test_filling_makes_real_and_kept_even_together():
    quotas = quotas_of(real(50, 30, 10), NAMES, "fill", {}, parts=1)

    assert wanted_of(quotas, 60) == [0, 20, 40]
    assert wanted_of(quotas, 20) == [0, 0, 20]


def test_each_draft_fills_its_part():
    quotas = quotas_of(real(50, 30, 10), NAMES, "fill", {}, parts=2)

    assert wanted_of(quotas, 30) == [0, 10, 20]


def test_source_keeps_the_real_proportions():
    assert wanted_of(quotas_of(real(50, 30, 20), NAMES, "source", {}, parts=1), 10) == [5, 3, 2]


def test_a_named_class_gets_its_share_and_the_others_what_the_balance_says():
    by_name = quotas_of(real(50, 30, 20), NAMES, "even", {"cat": 0.6}, parts=1)
    by_number = quotas_of(real(50, 30, 20), NAMES, "source", {"0": 0.5}, parts=1)

    assert wanted_of(by_name, 10) == [6, 2, 2]
    assert wanted_of(by_number, 10) == [5, 3, 2]


def test_a_class_that_is_refused_more_is_tried_more_but_not_at_any_cost():
    quotas = quotas_of(real(9, 9), ("cat", "dog"), "source", {}, parts=1)
    y = torch.tensor([0, 1] * 99)

    quotas.note(y, y == 0)

    assert wanted_of(quotas, 1100) == [10, 1090]  # 99 + a = b / 10: as if one in ten of class 1 would be kept


def test_a_class_there_is_not_is_wrong_use():
    with pytest.raises(WrongUse, match=r"shards\.quotas names class 'gnu': there are cat, dog, emu"):
        quotas_of(real(1, 1, 1), NAMES, "even", {"gnu": 0.5}, parts=1)


def test_shares_that_leave_nothing_to_others_must_be_all_there_is():
    with pytest.raises(WrongUse, match="names every class, so its shares must sum to 1"):
        quotas_of(real(1, 1, 1), NAMES, "even", {"cat": 0.5, "dog": 0.2, "emu": 0.2}, parts=1)


@pytest.mark.parametrize("quotas", [{"1": -0.1}, {"1": 0.7, "2": 0.4}, {"1": float("nan")}])
def test_quotas_out_of_range_are_refused(quotas):
    with pytest.raises(ValueError, match=r"shards\.quotas must be shares >= 0 that sum to at most 1"):
        ShardOptions(quotas=quotas)
