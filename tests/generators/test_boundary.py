import torch

from generators.boundary import bisect_to_margin, close_in
from generators.margins import margins_of, outside_band


def test_margin_is_the_labels_logit_minus_the_best_other():
    logits = torch.tensor([[3.0, 1.0, 2.0], [3.0, 1.0, 2.0]])

    assert margins_of(logits, torch.tensor([0, 1])).tolist() == [1.0, -2.0]


def test_a_margin_that_is_no_number_lies_outside_any_band():
    margins = torch.tensor([0.5, -0.5, 2.0, float("nan")])

    assert outside_band(margins, 1.0).tolist() == [False, False, True, True]


def test_bisection_stops_where_the_margin_falls_to_the_wanted_value(half_plane):
    start, end = (torch.full((3, 1, 1, 1), value) for value in (0.0, 1.0))
    wanted = torch.tensor([5.0, 0.0, -5.0])

    found = bisect_to_margin(half_plane, start, end, torch.zeros(3, dtype=torch.int64), wanted, steps=15)

    # The margin of class 0 is 20 * (0.5 - pixel).
    expected = torch.tensor([0.25, 0.5, 0.75])
    assert torch.allclose(found.flatten(), expected, atol=2**-14)


def test_bisection_keeps_a_start_that_is_below_and_an_end_that_is_above(half_plane):
    start, end = torch.tensor([0.9, 0.0]).view(2, 1, 1, 1), torch.tensor([1.0, 0.1]).view(2, 1, 1, 1)

    found = bisect_to_margin(half_plane, start, end, torch.zeros(2, dtype=torch.int64), torch.zeros(2))

    assert torch.allclose(found.flatten(), torch.tensor([0.9, 0.1]))


def test_closing_in_finds_where_a_gap_changes_its_sign():
    zeros = torch.tensor([0.3, 0.03, 0.97])

    def gap_at(place, rows):
        return (zeros[rows] - place).sign() * (zeros[rows] - place).abs() ** 3

    every = torch.arange(3)
    low, high = torch.zeros(3), torch.ones(3)
    gaps = torch.stack([gap_at(low, every), gap_at(high, every)])
    found = close_in(gap_at, low, high, gaps, tolerance=1e-6, steps=40)

    assert torch.allclose(found, zeros, atol=0.01)


def test_closing_in_asks_no_more_about_a_row_that_has_arrived_or_has_no_crossing():
    asked = []

    def gap_at(place, rows):
        asked.extend(rows.tolist())
        return 0.5 - place

    gaps = torch.tensor([[0.5, 0.5, 1.0], [-0.5, 0.5, 0.001]])
    found = close_in(gap_at, torch.zeros(3), torch.ones(3), gaps, tolerance=0.01)

    assert asked == [0]
    assert found.tolist() == [0.5, 1.0, 1.0]
