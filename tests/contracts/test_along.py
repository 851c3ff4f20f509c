"""Every attack, turned on one modality of two, keeps its promises there and leaves the other bit by bit as it was."""

import math

import pytest
import torch

import generators.attacks
from data.forms import Form
from data.modalities import modality
from data.plugins import plugin, plugin_names
from generators.along import along, attack_along
from generators.options import Ball

STEPS = {"square": 400, "cw": 400, "pgd": 20}
NEAREST = ("cw", "deepfool", "fab")
FORMS = {"image": Form((1, 1, 2)), "audio": Form((1, 2), 8000), "features": Form((1, 2), unit=(10.0, 0.5))}
CASES = [
    (attack, norm, name)
    for attack in plugin_names(generators.attacks)
    for norm in ("linf", "l2")
    for name in FORMS
    if (attack, norm) != ("cw", "linf")
]
every_case = pytest.mark.parametrize(("attack", "norm", "name"), CASES)
Y = torch.tensor([0, 1, 0, 0, 1, 1])
EPSILON = 0.1


def first_of(name, x):
    """The first element, in the modality's units."""
    unit = FORMS[name].unit
    return x.flatten(1)[:, 0] / (unit[0] if unit else 1)


def wall(name, partner):
    """Class 0 where the first element is below the partner's; by how much is the distance in `name`'s units."""

    def fused(inputs):
        side = 10 * (first_of(name, inputs[name]) - first_of(partner, inputs[partner]))
        return torch.stack([-side, side, -8 + 0 * side, -9 + 0 * side], 1)

    return fused


def world(name):
    """Inputs 0.3, 0.3, 0.105, 0.095, 0.095 and 0.25 units from the wall, each by a companion of its own."""
    partner = "audio" if name == "image" else "image"
    walls = torch.tensor([0.5, 0.4, 0.6, 0.3, 0.25, 0.65])
    distances = torch.tensor([-0.3, 0.3, -0.105, -0.095, 0.095, 0.25])
    inputs = {}
    for which, values in ((name, walls + distances), (partner, walls)):
        form = FORMS[which]
        x = torch.full((6, *form.shape), 0.4)
        x.flatten(1)[:, 0] = values * (form.unit[0] if form.unit else 1)
        inputs[which] = x
    return inputs, wall(name, partner), partner


def attacked(attack, norm, name, rng, **options):
    inputs, fused, partner = world(name)
    before = inputs[partner].clone()
    ball = Ball(epsilon=EPSILON, norm=norm, steps=STEPS.get(attack, 20), step_size=0.02, **options)
    found = attack_along(plugin(generators.attacks, attack), along(fused, inputs, name, FORMS[name]), Y, ball, rng)
    return inputs, fused, found, partner, before


@every_case
@pytest.mark.parametrize("options", [{}, {"stop_early": True}, {"stop_early": True, "restarts": 3}])
def test_it_breaks_each_row_by_the_wall_of_its_own_companion_and_none_beyond(attack, norm, name, options, rng):
    inputs, fused, found, partner, before = attacked(attack, norm, name, rng, **options)

    assert (fused(inputs).argmax(1) == Y).all()
    assert (fused(found).argmax(1) == Y).tolist() == [True, True, True, False, False, True]
    assert found[partner] is inputs[partner]
    assert torch.equal(found[partner], before)


@every_case
def test_it_stays_in_its_ball_in_the_modalitys_own_units_and_range(attack, norm, name, rng):
    inputs, _, found, _, _ = attacked(attack, norm, name, rng)
    kind, form = modality(name), FORMS[name]
    delta = (found[name] - inputs[name]) / torch.tensor(form.unit or 1.0)

    length = delta.flatten(1).abs().amax(1) if norm == "linf" else delta.flatten(1).norm(dim=1)
    assert (length <= EPSILON + 1e-5).all()
    assert length.amax() > 0.09
    assert (kind.moved(found[name], inputs[name], form) <= EPSILON + 1e-5).all()
    assert found[name].amin() >= kind.low
    assert found[name].amax() <= kind.high
    if attack in NEAREST:
        assert torch.equal(found[name][:3], inputs[name][:3])


@pytest.mark.parametrize("attack", NEAREST)
@pytest.mark.parametrize("name", FORMS)
def test_without_a_radius_the_nearest_error_is_found_at_its_distance(attack, name, rng):
    inputs, fused, _ = world(name)
    ball = Ball(epsilon=math.inf, norm="l2", steps=600)

    found = attack_along(plugin(generators.attacks, attack), along(fused, inputs, name, FORMS[name]), Y, ball, rng)

    delta = (found[name] - inputs[name]) / torch.tensor(FORMS[name].unit or 1.0)
    assert (fused(found).argmax(1) != Y).all()
    assert delta.flatten(1).norm(dim=1).tolist() == pytest.approx([0.3, 0.3, 0.105, 0.095, 0.095, 0.25], abs=0.03)


@pytest.mark.parametrize("attack", ["pgd", "square", "apgd_ce"])
def test_frames_that_are_padding_stay_padding(attack, rng):
    inputs, fused, _ = world("features")
    inputs["features"] = torch.cat([inputs["features"], torch.zeros(6, 1, 2)], 1)
    ball = Ball(epsilon=EPSILON, steps=20, step_size=0.02)

    way = along(fused, inputs, "features", FORMS["features"])
    found = attack_along(plugin(generators.attacks, attack), way, Y, ball, rng)

    assert not found["features"][:, 1].any()
    assert (found["features"][:, 0] != inputs["features"][:, 0]).any()


def test_a_target_is_aimed_at_across_the_rows_companions(rng):
    inputs, fused, _ = world("image")
    ball = Ball(epsilon=EPSILON, steps=20, step_size=0.02, stop_early=True)

    found = attack_along(plugin(generators.attacks, "pgd"), along(fused, inputs, "image"), Y, ball, rng, 1 - Y)

    assert (fused(found).argmax(1) == Y).tolist() == [True, True, True, False, False, True]


def test_what_is_not_there_is_refused_and_so_is_text_by_attacks_on_what_is_continuous(rng):
    inputs = {"image": torch.zeros(1, 1, 1, 2), "text": torch.full((1, 3), 97, dtype=torch.uint8)}

    with pytest.raises(ValueError, match="one of image, text, got audio"):
        along(lambda x: x["image"], inputs, "audio")
    for attack in plugin_names(generators.attacks):
        with pytest.raises(ValueError, match=r"x must lie in \[0, 1\], got 97"):
            attack_along(
                plugin(generators.attacks, attack),
                along(lambda x: x["text"][:, :2].float(), inputs, "text"),
                torch.tensor([0]),
                Ball(1.0, norm="l2"),
                rng,
            )


def test_a_model_asked_about_rows_it_was_not_told_of_says_so():
    inputs, fused, _ = world("image")
    way = along(fused, inputs, "image")

    with pytest.raises(ValueError, match="2 points for 6 rows"):
        way(way.cube[:2])
    assert torch.equal(way.at(torch.tensor([4, 0]))(way.cube[[4, 0]]), way(way.cube)[[4, 0]])
