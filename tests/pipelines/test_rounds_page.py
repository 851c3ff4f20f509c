"""What a report shows of rounds, from planted figures."""

import json

from pipelines.training.arms import ARMS
from pipelines.training.pages import terminal
from pipelines.training.pages.page import render

ARM = {"clean": [97.0], "corrupted": [80.0], "robust": [75.0], "seconds": [3.0], "doubts": []}
ARM |= {"making_seconds": 1.0, "gradients": 1000}
ONE = {"round": 7, "against": "ab" * 32, "attack_success": 0.875, "on_newest": 0.125, "archive": [4, 6], "dropped": [5]}
ROUNDS = {
    "asked": 9,
    "steps": 25,
    "made": [ONE],
    "arms": {"rounds": {"clean": 98.25, "robust": 81.75, "samples": 400, "doubts": ["it is too good"]}},
    "said": "A planted sentence.",
}
FIGURES = {
    "recipe": "digits",
    "seed": 0,
    "verdict": "A planted verdict.",
    "made_by": {"hardshard": "9.9", "torch": "2.13"},
    "source": {"class_names": ["0", "1"], "read": 4, "kept": {"train": {"0": 2, "1": 2}}, "quarantined": {}},
    "brought": {},
    "arms": dict.fromkeys((arm.name for arm in ARMS.values()), ARM),
    "ours_minus": {},
    "candidates": {"perturb": {"attempted": 4, "kept": 2, "refused": {"agreement": 2}}},
    "kept_labels": {"agreement": 0.9, "agreement_by_search": {"perturb": 0.9}},
    "fidelity": dict.fromkeys(
        ("agreement", "agreement_on_real", "precision", "recall", "precision_of_real", "recall_of_real"), 0.5
    ),
    "bands": {"perturb": [{"to": "inf", "attempted": 4, "kept": 2}]},
    "thresholds": {},
    "budget": None,
    "mixes": {},
    "stages": [],
    "shards": {"digest": "cd" * 32, "url": "shards"},
    "rounds": ROUNDS,
}
MARGINS = {"margin_before": [1.0, 2.0], "margin": [0.0, 0.1]}


def test_the_page_tells_each_round_and_doubts_what_is_doubtful():
    page = render(FIGURES, [], MARGINS, 1.0)

    row = page.split("<td>abababababab</td>")[1].split("</tr>")[0]
    assert [cell.split("</td>")[0].split(">")[-1] for cell in row.split("<td")[1:]] == ["87.5", "12.5", "4 6", "5"]
    assert "A planted sentence." in page
    assert "<b>rounds</b> is suspicious: it is too good" in page


def test_a_page_without_rounds_has_no_word_of_them():
    assert "attack in the trainer" not in render({**FIGURES, "rounds": {}}, [], MARGINS, 1.0)


def test_the_terminal_tells_each_round(tmp_path, capsys):
    (tmp_path / "report.json").write_text(json.dumps(FIGURES))

    terminal.show_report(tmp_path / "report.json")

    said = capsys.readouterr().out
    line = next(line.split() for line in said.splitlines() if "abababababab" in line)
    assert line == ["7", "abababababab", "87.5", "12.5", "4", "6", "5"]
    assert "A planted sentence." in said
    assert "rounds: robust accuracy is suspicious: it is too good" in " ".join(said.split())
