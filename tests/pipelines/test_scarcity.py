"""Curves over numbers of labels: figures, sentence and page of reports solved on paper, and what is refused."""

import json
import re
from contextlib import nullcontext
from itertools import pairwise

import pytest
from page_rules import broken_rules

from data.errors import WrongUse
from data.intake import Summary
from data.runs import open_run
from data.sources import SourceOptions
from data.taken import must_suffice
from pipelines import scarcity
from pipelines.recipes import DEFAULT, overridden
from pipelines.training.arms import ARMS, BASELINE, OURS
from pipelines.training.evaluation.scarcity import figures_of
from pipelines.training.evaluation.uplift import REHEARSED
from pipelines.training.pages import scarcity as pages
from pipelines.training.pages.curves import curves_of
from pipelines.training.scarcity import folder_of, most_labelled, must_be_held, must_make_a_curve, recipe_of

SHIFT = "real + shift, soft"
COUNTS = {"0": 5, "1": 4, "2": 6}


def report(ours: float, low: float, high: float, **others: object) -> dict:
    """Of a run whose real samples alone reach 70 and 72 %, shifts 2 points more, the other controls as much."""
    gap = {"mean": ours, "low": low, "high": high, "mcnemar": [0.5, 0.5]}
    gains = {SHIFT: 2.0, OURS: ours}
    arms = {
        arm.name: {
            "seeds": [0, 1],
            "clean": [95.0, 96.0],
            "robust": [70.0 + gains.get(arm.name, 0.0), 72.0 + gains.get(arm.name, 0.0)],
            "doubts": [],
            "seconds": [3.0, 4.0],
        }
        for arm in ARMS.values()
    }
    return {
        "recipe": "digits",
        "seed": 0,
        "made_by": {"hardshard": "1", "torch": "2"},
        "options": {"source.labelled": 100 + ours, "shards.url": f"s3://shards/{ours}", "training.steps": 1000},
        "evaluation": vars(DEFAULT.evaluation),
        "source": {"division": "ab" * 32, "kept": {"test": {"0": 150, "1": 160}}},
        "arms": dict(sorted(arms.items())),
        "ours_minus": {name: gap | {"mean": ours - gains.get(name, 0.0)} for name in sorted(arms) if name != OURS},
        "verdict": "The shards pay: +1.0 points",
        **others,
    }


REPORTS = {300: report(1.0, -0.5, 2.5), 100: report(4.0, 1.5, 6.5), 900: report(-3.0, -4.0, -2.0)}


def test_a_curve_of_rehearsals_says_that_its_figures_say_nothing():
    rehearsed = {labels: {**found, "verdict": f"{REHEARSED}: +1.0 points"} for labels, found in REPORTS.items()}

    assert figures_of(rehearsed)["said"].startswith(REHEARSED)
    assert not figures_of(REPORTS)["said"].startswith(REHEARSED)


@pytest.fixture
def runs(tmp_path):
    """Finished runs, as far as a curve reads them."""
    for labels, found in REPORTS.items():
        (tmp_path / f"labels-{labels}").mkdir()
        (tmp_path / f"labels-{labels}/report.json").write_text(json.dumps(found))
    return tmp_path


def test_a_curve_has_a_point_for_each_number_of_labels_with_every_arms_gain_by_seed():
    found = figures_of(REPORTS)

    assert [point["labels"] for point in found["points"]] == [100, 300, 900]
    first = found["points"][0]
    assert first["arms"][SHIFT] == {"clean": [95.0, 96.0], "robust": [72.0, 74.0], "gained": [2.0, 2.0], "doubts": []}
    assert first["arms"][OURS]["gained"] == [4.0, 4.0]
    assert first["arms"][BASELINE]["gained"] == [0.0, 0.0]
    assert first["ours_minus"][SHIFT] == {"mean": 2.0, "low": 1.5, "high": 6.5}
    assert {point["best_other"] for point in found["points"]} == {SHIFT}
    assert found["tested"] == 310


def test_the_sentence_tells_nothing_apart_whose_interval_holds_0():
    said = figures_of(REPORTS)["said"]

    assert f"against {BASELINE}, higher with 100 labels (+4.0 points [+1.5, +6.5])" in said
    assert "not told apart with 300 labels (+1.0 points [-0.5, +2.5])" in said
    assert "lower with 900 labels (-3.0 points [-4.0, -2.0])" in said
    assert f"(-1.0 points [-0.5, +2.5], {SHIFT})" in said
    assert said.endswith("310 test samples, 2 seeds).")


@pytest.mark.parametrize(("low", "high"), [(0.0, 2.0), (-2.0, 0.0)])
def test_an_interval_that_ends_at_0_holds_it(low, high):
    said = figures_of({100: report(0.0, low, high), 300: report(0.0, low, high)})["said"]

    assert "higher" not in said
    assert "lower" not in said


def test_what_the_masking_checks_doubt_is_said_and_shown():
    doubtful = report(1.0, 0.5, 1.5)
    doubtful["arms"][OURS]["doubts"] = ["planted doubt"]

    found = figures_of({100: REPORTS[100], 300: doubtful})

    assert found["said"].endswith(f"Not to be trusted: the masking checks doubt {OURS} with 300.")
    assert f"The robust accuracy of <b>{OURS}</b> is suspicious: planted doubt" in pages.render(found)


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"source": {"division": "cd" * 32, "kept": {"test": {"0": 310}}}}, "division"),
        ({"evaluation": {**vars(DEFAULT.evaluation), "epsilon": 0.2}}, "evaluation"),
        ({"seed": 1}, "seed"),
        ({"recipe": "fashion"}, "recipe"),
        ({"made_by": {"hardshard": "1", "torch": "3"}}, "made_by"),
        ({"options": {"source.labelled": 300, "training.steps": 900}}, "training.steps"),
    ],
)
def test_runs_that_differ_in_more_than_their_labels_make_no_curve(other, what):
    with pytest.raises(WrongUse, match=f"the runs with 100 and 300 labels differ in {what}, so"):
        figures_of({100: REPORTS[100], 300: report(1.0, 0.5, 1.5, **other)})


def test_an_option_that_a_later_run_alone_has_makes_no_curve_either():
    more = {"options": {**REPORTS[100]["options"], "shards.quotas.3": 0.2}}

    with pytest.raises(WrongUse, match=r"differ in shards\.quotas\.3, so"):
        figures_of({100: REPORTS[100], 300: report(1.0, 0.5, 1.5, **more)})


def test_every_arm_of_the_page_has_a_colour():
    page = pages.render(figures_of(REPORTS))

    used = set(re.findall(r'<(?:g|li) class="(k\d|ours)"', page))
    assert len(used) == len(ARMS)
    assert all(f".{name} {{ --mark:" in page for name in used)


def test_places_lie_on_a_logarithmic_scale_and_above_the_line_where_something_is_gained():
    drawn = curves_of({SHIFT: {100: [2.0, 4.0], 300: [0.0], 900: [-1.0]}}, {100: {"low": 1, "high": 5, "mean": 3}})

    (curve,) = drawn.curves
    first, second, third = curve.places
    assert second.x - first.x == pytest.approx(third.x - second.x, abs=0.2)
    assert first.mean == pytest.approx(sum(first.seeds) / 2, abs=0.1)
    assert first.mean < drawn.zero == second.mean < third.mean
    assert first.interval is None  # it is of ours alone
    assert [tick.text for tick in drawn.across] == ["100", "300", "900"]


def test_letters_stay_apart_and_in_order_where_curves_end_together():
    same = {name: {10: [50.0], 20: [70.0 + place / 100]} for place, name in enumerate("abcdefg")}

    drawn = curves_of(same)

    ends = [curve.end for curve in drawn.curves]
    assert all(before - after >= 13 for before, after in pairwise(ends))
    assert [curve.letter for curve in drawn.curves] == list("ABCDEFG")
    assert 0 < min(ends) < max(ends) <= drawn.height


def test_numbers_of_labels_whose_texts_would_meet_are_not_both_written():
    drawn = curves_of({BASELINE: {100: [1.0], 101: [1.0], 10_000: [2.0]}})

    assert [tick.text for tick in drawn.across] == ["100", "10000"]


def test_the_page_keeps_to_the_rules_of_all_pages_and_links_to_each_run(runs):
    path = pages.write(runs, [100, 300, 900])

    page = path.with_suffix(".html").read_text()
    assert not broken_rules(page)
    assert re.findall('href="([^"]*)"', page) == [f"labels-{n}/report.html" for n in (100, 300, 900)]
    assert page.count("+4.0 [+1.5, +6.5]") >= 2
    assert json.loads(path.read_text())["said"].replace("'", "&#39;") in page


def test_names_are_shown_and_not_obeyed():
    page = pages.render(figures_of({n: report(1.0, 0.5, 1.5, recipe="<b>mine</b>") for n in (100, 300)}))

    assert "<b>mine" not in page
    assert "&lt;b&gt;mine" in page


def test_the_terminal_has_a_column_for_each_number_and_no_colours_in_a_pipe(runs, capsys):
    pages.show_scarcity(pages.write(runs, [100, 300]))

    said = capsys.readouterr().out
    assert re.search("arm +100 labels +300 labels", said)
    assert re.search(r"real \+ ours +75.0 ± 1.4 +72.0 ± 1.4", said)
    assert re.search(r"real only +\+4.0 \[\+1.5, \+6.5\] +\+1.0 \[-0.5, \+2.5\]", said)
    assert "\x1b" not in said
    assert str(runs / "scarcity.html") in said


def test_a_run_that_is_not_finished_is_named(runs):
    with pytest.raises(WrongUse, match=r"labels-200 has no report.json: that run is not finished"):
        pages.write(runs, [100, 200])


@pytest.mark.parametrize("labels", [(), (100,), (100, 300, 100), (0, 100), (-5, 100)])
def test_a_curve_needs_two_numbers_of_labels_each_once(labels):
    with pytest.raises(WrongUse, match="--labels takes"):
        must_make_a_curve(labels)


def test_a_model_of_ones_own_makes_no_curve_over_labels():
    with pytest.raises(WrongUse, match=r"mine\.pt2, that has trained already"):
        must_make_a_curve([100, 300], "mine.pt2")


@pytest.mark.parametrize("counts", [(5, 4, 6), (4, 5, 6), (5, 6, 4), (4, 4, 4)])
def test_the_most_labels_is_what_the_classes_can_give_evenly_and_not_one_more(counts):
    kept = {"train": {str(label): count for label, count in enumerate(counts)}, "validation": {"0": 1}}
    summary = Summary(list(kept["train"]), [1, 8, 8], 16, kept, {}, "", "")

    most = most_labelled(counts)

    must_suffice(summary, most)
    with pytest.raises(WrongUse, match="training samples of class"):
        must_suffice(summary, most + 1)


def test_more_labels_than_there_are_is_refused_with_what_there_is_and_what_gives_more():
    must_be_held([3, 13], COUNTS, SourceOptions())
    with pytest.raises(WrongUse, match="--labels 2: there are 3 classes"):
        must_be_held([2, 13], COUNTS, SourceOptions())

    with pytest.raises(WrongUse) as refused:
        must_be_held([3, 14, 20], COUNTS, SourceOptions(validation_share=0.25))

    said = str(refused.value)
    assert said.startswith("--labels 14 20: the training part holds 15 samples, and evenly over its 3 classes 13")
    assert "(of class '1' there are 4)" in said
    assert "--source.validation_share (now 0.25) or --source.test_share (now 0.35)" in said


def test_each_run_differs_from_the_recipe_in_its_labels_and_in_where_its_shards_lie(tmp_path):
    at_url = overridden(DEFAULT, {"shards.url": "s3://bucket/hard/"})

    assert recipe_of(DEFAULT, 100) == overridden(DEFAULT, {"source.labelled": 100})
    assert recipe_of(at_url, 100).shards.url == "s3://bucket/hard/labels-100"
    assert folder_of(tmp_path, 100) == tmp_path / "labels-100"


@pytest.fixture
def begun(monkeypatch):
    """The runs that a flow begins, which leave a planted report and do nothing else; without Prefect and workers."""
    found = []

    def augment(recipe, run, seeds):
        found.append((recipe.source.labelled, run.name, seeds))
        (run / "report.json").parent.mkdir(parents=True, exist_ok=True)
        (run / "report.json").write_text(json.dumps(REPORTS[recipe.source.labelled]))

    monkeypatch.setattr(scarcity, "augment", augment)
    monkeypatch.setattr(scarcity, "session", lambda recipe, folder: nullcontext(open_run(folder, recipe.name)))
    monkeypatch.setattr("pipelines.training.stages.in_worker", lambda work, *given: (work(*given), 0.0))
    for task in ("read_source", "write_report"):
        monkeypatch.setattr(scarcity, task, getattr(scarcity, task).fn)
    return found


def test_the_flow_makes_a_whole_run_for_each_number_fewest_labels_first_and_then_the_curve(begun, tmp_path):
    path = scarcity.scarcity.fn(DEFAULT, tmp_path, (300, 100), 2)

    assert begun == [(100, "labels-100", 2), (300, "labels-300", 2)]
    assert [point["labels"] for point in json.loads(path.read_text())["points"]] == [100, 300]
    assert (tmp_path / "scarcity.html").is_file()


def test_the_flow_begins_no_run_where_one_would_lack_samples(begun, tmp_path):
    with pytest.raises(WrongUse, match="--labels 900: the training part holds 553 samples, and evenly over its 10 "):
        scarcity.scarcity.fn(DEFAULT, tmp_path, (100, 900), 2)

    assert not begun
