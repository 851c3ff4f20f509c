"""Attacks on one modality of an event, on several at once, and what the judges of each modality say of the result."""

import pytest
import torch

from data.forms import Form
from data.records import Batch
from generators.along import Together, along
from generators.attacks.pgd import pgd
from generators.crossmodal import Bench, Hearing, attack_one, fold_of, hear, moved
from generators.options import Ball

UNIT = (2.0, 4.0)
FORMS = {"image": Form((1, 1, 1)), "features": Form((2, 2), unit=UNIT)}


def fused(x):
    """Class 1 where the pixel and all features together are above 0."""
    total = x["image"].flatten(1).sum(1) + x["features"].flatten(1).sum(1)
    return torch.stack([-total, total], 1)


def events(*pixels: float) -> Batch:
    """A pixel each, one frame of features at 1 and one of padding; of class 1."""
    frames = torch.tensor([[1.0, 1.0], [0.0, 0.0]]).repeat(len(pixels), 1, 1)
    inputs = {"image": torch.tensor(pixels).view(-1, 1, 1, 1), "features": frames}
    return Batch(tuple(f"e{n}" for n in range(len(pixels))), inputs, torch.ones(len(pixels), dtype=torch.int64))


@pytest.mark.parametrize(("name", "end"), [("image", [[[[0.25]]]]), ("features", [[[0.5, 0.0], [0.0, 0.0]]])])
def test_one_modality_goes_to_its_worst_point_and_the_other_stays(name, end):
    real, ball = events(0.5), Ball(0.25, steps=8, step_size=0.1, random_start=False)

    made = attack_one(along(fused, real.inputs, name, FORMS[name]), real, pgd, ball, torch.Generator())

    (other,) = set(FORMS) - {name}
    assert torch.allclose(made.batch.inputs[name], torch.tensor(end), atol=0.5 / 255)
    assert made.batch.inputs[other] is real.inputs[other]
    assert made.starts is real.inputs
    assert made.search == f"adversarial_{name}"
    assert made.margins_before.item() == pytest.approx(5.0)
    assert made.margins.item() == pytest.approx(2 * fused_sum(made.batch), abs=1e-5)


def fused_sum(batch: Batch) -> float:
    return sum(x.sum().item() for x in batch.inputs.values())


def test_all_modalities_together_reach_the_corners_of_their_balls_and_padding_stays():
    real, epsilon = events(0.5, 0.1), {"image": 0.25, "features": 0.5}
    way = Together(fused, real.inputs, FORMS, epsilon)

    found = way.x_of(pgd(way, way.cube, real.labels, Ball(0.5, steps=8, step_size=0.2), torch.Generator()))

    assert torch.allclose(found["image"].flatten(), torch.tensor([0.25, 0.0]))  # the second one stops at black
    assert torch.allclose(found["features"][0], torch.tensor([[0.0, -1.0], [0.0, 0.0]]))
    assert torch.equal(way.x_of(way.cube)["image"], real.inputs["image"])


def test_an_attack_on_all_modalities_may_let_rows_leave():
    real = events(0.5, 1.0)
    real.inputs["features"][0] = 0  # its pixel alone decides, and cannot be broken
    way = Together(fused, real.inputs, FORMS, {"image": 0.25, "features": 0.5})

    ball = Ball(0.5, steps=8, step_size=0.2, stop_early=True)
    wrong = way(pgd(way, way.cube, real.labels, ball, torch.Generator())).argmax(1) != real.labels

    assert wrong.tolist() == [False, True]


def test_a_member_is_judged_by_the_one_who_has_not_seen_it():
    def sure(label):
        return lambda x: torch.nn.functional.one_hot(torch.full((len(x),), label), 2) * 20.0

    members = ["0" * 32, "00000001" + "0" * 24]

    said = Bench([sure(0), sure(1)]).hear(torch.zeros(2, 1), members)

    assert [fold_of(member, 2) for member in members] == [0, 1]
    assert said.argmax(1).tolist() == [0, 1]


def test_what_nobody_moved_must_be_seen_as_the_label_more_surely_than_what_was_moved():
    said = torch.tensor([[0.1, 0.9], [0.1, 0.9], [0.6, 0.4], [0.9, 0.1]])
    sure = torch.tensor([[0.0, 1.0]]).repeat(4, 1)
    moved = torch.tensor([True, False, True, True])
    heard = Hearing({"image": said, "features": sure}, {"image": moved, "features": ~moved})

    verdict = heard.verdict(torch.ones(4, dtype=torch.int64), untouched=0.95, touched=0.3)

    # The second one's picture is the untouched side, and 0.9 is not enough for it; the last one's is moved too far.
    assert verdict.reasons == ("", "untouched", "", "touched")


def test_judges_hear_their_own_modality_and_who_was_touched_is_seen():
    real, ball = events(0.5), Ball(0.25, steps=4, step_size=0.1)
    made = attack_one(along(fused, real.inputs, "features", FORMS["features"]), real, pgd, ball, torch.Generator())
    benches = {"image": Bench([lambda x: x.flatten(1).repeat(1, 2)]), "features": Bench([lambda x: x[:, 0] * 0])}

    heard = hear(benches, made, {"image": ["00"], "features": ["00"]})

    assert {name: touched.tolist() for name, touched in heard.touched.items()} == {"image": [False], "features": [True]}
    assert heard.consensus.tolist() == [[0.5, 0.5]]


def test_events_move_within_bounds_zeros_come_in_and_only_what_is_named_moves():
    x = {"image": torch.ones(40, 1, 5, 5), "features": torch.arange(1.0, 7).view(1, 6, 1).repeat(40, 1, 2)}

    found = moved(x, {"features": 2, "audio": 3}, torch.Generator().manual_seed(0))

    assert found["image"] is x["image"]
    later = (found["features"][:, :, 0] == 0).sum(1)
    assert set(later.tolist()) == {0, 1, 2}
    for row, places in zip(found["features"], later.tolist(), strict=True):
        assert row[:, 0].tolist() == [0.0] * places + list(range(1, 7 - places))
