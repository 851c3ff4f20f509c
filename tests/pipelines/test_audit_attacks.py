"""What an audit's workers find, on a model whose every distance is known."""

from dataclasses import dataclass, replace

import pytest
import torch

from data.records import Batch
from data.sources import SourceOptions
from pipelines.training.audit import attacking
from pipelines.training.audit.attacking import Task, attack_alone, attack_survivors, look
from pipelines.training.audit.options import AuditOptions
from pipelines.training.audit.rows import Finds, Rows, read_rows

INF = float("inf")


def wall(x):
    """Class 0 where the first pixel is below 0.5, 1 above, 2 and 3 nowhere; |first pixel - 0.5| is the distance."""
    side = 10 * (x.flatten(1)[:, 0] - 0.5)
    return torch.stack([-side, side, -8 + 0 * side, -9 + 0 * side], 1)


@dataclass(frozen=True)
class Planted(Task):
    """Samples 0.05, 0.15, 0.4 from the boundary, and one on its wrong side."""

    def scene(self):
        x = torch.full((4, 1, 4, 4), 0.3)
        x[:, 0, 0, 0] = torch.tensor([0.45, 0.65, 0.1, 0.9])
        return wall, Batch(("a", "b", "c", "d"), {"image": x}, torch.tensor([0, 1, 0, 0]))


@pytest.fixture
def task(tmp_path, monkeypatch) -> Planted:
    monkeypatch.setattr(attacking, "stranger", lambda *_: wall)
    options = AuditOptions(steps=10, factors=(2.0,))
    return Planted(tmp_path, SourceOptions(), options, seed=0, norm="linf", epsilon=0.1)


def found(task, name) -> Rows:
    return read_rows(task.run / name)[0]


def test_clean_answers_are_noted_by_key(task):
    facts = look(task)

    assert facts == {"keys": ["a", "b", "c", "d"], "labels": [0, 1, 0, 0], "says": [0, 1, 0, 1]}


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("attack", ["deepfool", "fab"])
def test_an_attack_for_the_nearest_error_gives_every_distance(task, norm, attack):
    task = replace(task, norm=norm)

    attack_alone(task, attack, "found.npz")

    rows = found(task, "found.npz")
    assert rows.length[:3] == pytest.approx([0.05, 0.15, 0.4], rel=0.1)
    assert rows.length[3] == 0.0
    assert rows.says.tolist() == [1, 0, 1, 1]


@pytest.mark.parametrize("attack", ["pgd", "apgd_ce", "square"])
def test_an_attack_of_fixed_radius_tries_each_radius_on_what_still_stands(task, attack):
    attack_alone(task, attack, "found.npz")

    rows = found(task, "found.npz")
    assert rows.length[0] <= 0.1 < rows.length[1] <= 0.2
    assert rows.length[2:].tolist() == [INF, 0.0]


def test_the_suite_attacks_what_all_others_left_standing_and_nothing_else(task):
    attack_alone(task, "deepfool", "other.npz")

    facts = attack_survivors(task, ["other.npz"], "suite.state", "suite.npz")

    assert list(facts["broken"]) == ["apgd_ce", "apgd_dlr targeted", "pgd restarts", "transfer"]
    assert sum(facts["broken"].values()) == 0
    assert found(task, "suite.npz").length.tolist() == [INF, INF, INF, 0.0]
    assert not (task.run / "suite.state").exists()


def test_the_suite_breaks_what_others_missed(task):
    model, batch = task.scene()
    x = batch.inputs["image"]
    Finds(x, batch.labels, model(x).argmax(1)).write(task.run / "other.npz")

    facts = attack_survivors(task, ["other.npz"], "suite.state", "suite.npz")

    assert facts["broken"]["apgd_ce"] == 1
    assert found(task, "suite.npz").length[0] <= 0.1
    assert found(task, "suite.npz").length[1:].tolist() == [INF, INF, 0.0]


def test_nothing_left_standing_is_no_error(task):
    task = replace(task, epsilon=0.5)
    attack_alone(task, "fab", "other.npz")

    facts = attack_survivors(task, ["other.npz"], "suite.state", "suite.npz")

    assert facts == {"broken": {}}


def test_the_same_seed_finds_the_same(task):
    attack_alone(task, "square", "one.npz")
    attack_alone(task, "square", "two.npz")

    assert (task.run / "one.npz").read_bytes() == (task.run / "two.npz").read_bytes()
