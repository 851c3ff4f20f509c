"""report.html: charts whose places are known on paper, and one file that asks for nothing."""

import re

import numpy as np
import pytest
from page_rules import broken_rules

from pipelines.training.arms import OURS
from pipelines.training.pages import charts
from pipelines.training.pages.page import render
from pipelines.training.pages.previews import Preview

ARM = {"corrupted": [80.0], "seconds": [3.0], "doubts": [], "making_seconds": 1.0, "gradients": 1000}
ARMS = {
    "real only": {**ARM, "clean": [96.0], "robust": [70.0]},
    OURS: {**ARM, "clean": [98.0, 99.0], "robust": [80.0, 90.0]},
}
GAPS = {"real only": {"mean": 15.0, "low": 10.0, "high": 20.0, "mcnemar": [0.01]}}
CANDIDATES = {
    "warps": {"attempted": 10, "kept": 4, "refused": {"agreement": 6}},
    "shift": {"attempted": 2, "kept": 2, "refused": {}},
}
MARGINS = {"margin_before": [8.0, 8.0, 8.0], "margin": [-4.0, 0.0]}
FIGURES = {
    "recipe": "<b>digits</b>",
    "verdict": "A planted verdict.",
    "made_by": {"hardshard": "9.9", "torch": "2.13"},
    "source": {"class_names": ["0", "<i>1</i>"], "read": 4, "kept": {"train": {"0": 2}}, "quarantined": {"empty": 1}},
    "brought": {},
    "arms": ARMS,
    "ours_minus": GAPS,
    "candidates": CANDIDATES,
    "kept_labels": {"agreement": 0.9, "agreement_by_search": {"warps": 0.9}},
    "fidelity": dict.fromkeys(
        ("agreement", "agreement_on_real", "precision", "recall", "precision_of_real", "recall_of_real"), 0.5
    ),
    "bands": {"warps": [{"to": "inf", "attempted": 4, "kept": 2}]},
    "thresholds": {},
    "budget": None,
    "mixes": {},
    "rounds": {},
    "stages": [],
    "shards": {"digest": "cd" * 32, "url": "shards"},
}


def preview(reason: str) -> Preview:
    pixels = np.zeros((1, 8, 8), np.uint8)
    return Preview(pixels, pixels, 1, 0.25, "warps", reason)


@pytest.fixture(scope="module")
def page() -> str:
    return render(FIGURES, [preview(""), preview("agreement")], MARGINS, 1.0)


def test_a_histogram_stands_on_the_ground_and_reaches_the_top_where_most_are():
    found = charts.histogram_of(MARGINS, band=1.0, height=230)

    assert found.before.startswith("M44.0,190.0 V190.0")  # margins from -4 to 8: three samples in the last bin
    assert re.search(r"V10\.0 H408\.0 V190\.0 Z$", found.before)
    assert found.zero == pytest.approx(44 + 364 * 4 / 12, abs=0.1)
    assert found.band == (pytest.approx(44 + 364 * 3 / 12, abs=0.1), pytest.approx(364 * 2 / 12, abs=0.2))
    assert [tick.text for tick in found.up] == ["0", "1", "2", "3"]


def test_an_interval_lies_where_its_ends_are_on_the_scale():
    (row,) = charts.uplift_of(GAPS).rows

    # The scale goes from -0.5 to 20.5 over 396 units, from 12.
    assert row.interval == (pytest.approx(12 + 396 * 10.5 / 21, abs=0.1), pytest.approx(12 + 396 * 20.5 / 21, abs=0.1))
    assert row.mean == pytest.approx(12 + 396 * 15.5 / 21, abs=0.1)
    assert row.said == "+15.0 [+10.0, +20.0]"


def test_no_difference_is_drawn_on_the_line():
    none = {"real only": {"mean": 0.0, "low": 0.0, "high": 0.0}}

    drawn = charts.uplift_of(none)

    assert drawn.rows[0].mean == drawn.zero


def test_every_seed_has_its_dot_and_an_arm_its_mean():
    real, ours = charts.arms_of(ARMS).rows

    assert (len(real.dots), len(ours.dots), ours.ours) == (1, 2, True)
    assert ours.mean == pytest.approx(sum(ours.dots) / 2, abs=0.1)
    assert ours.said == "85.0 %"


def test_the_better_arm_stands_further_up_and_right():
    real, ours = charts.trade_off_of(ARMS).spots

    assert ours.at[0] > real.at[0]
    assert ours.at[1] < real.at[1]
    assert (real.letter, ours.letter) == ("A", "B")


def test_shares_of_a_search_sum_to_all_and_a_reason_has_one_style():
    shares = charts.shares_of({**CANDIDATES, "none": {"attempted": 0, "kept": 0, "refused": {}}})

    assert [(piece.reason, piece.percent) for piece in shares["warps"]] == [("kept", 40.0), ("agreement", 60.0)]
    assert [piece.reason for piece in shares["shift"]] == ["kept"]
    assert "none" not in shares


@pytest.mark.parametrize(("low", "high", "said"), [(0, 1, 6), (-3, 40, 5), (96.9, 97.1, 5), (0, 12345, 3)])
def test_ticks_are_few_and_round(low, high, said):
    ticks = [float(tick.text) for tick in charts.ticks_of(low, high, lambda value: value)]

    assert len(ticks) == said
    assert all(low - 1e-6 <= tick <= high + 1e-6 for tick in ticks)


def test_the_page_fits_a_phone_follows_the_theme_fetches_nothing_and_is_readable_without_eyes(page):
    assert not broken_rules(page)


def test_names_are_shown_and_not_obeyed(page):
    assert "<b>digits" not in page
    assert "<i>1</i>" not in page
    assert "&lt;i&gt;1&lt;/i&gt;" in page


def test_what_is_kept_and_refused_stands_beside_what_it_started_from(page):
    assert page.count('alt="start') == 2
    assert 'alt="refused"' in page


def test_a_run_that_kept_nothing_has_a_page():
    page = render(FIGURES, [], {"margin_before": [], "margin": []}, 1.0)

    assert "Nothing was kept." in page
