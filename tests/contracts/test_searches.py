"""Every file of generators/search keeps the promises of the folder."""

from dataclasses import replace

import pytest
import torch

import generators.attacks
import generators.search
from data.modalities import image
from data.plugins import plugin, plugin_names
from generators.margins import margins_of
from generators.options import SearchOptions
from generators.search.perturb import perturb

OPTIONS = SearchOptions(band=2.0, epsilon=0.5)
HARD = ("interpolate", "latent_square", "latent_walk", "perturb", "pixel_interpolate")

every = pytest.mark.parametrize("name", plugin_names(generators.search))
hard = pytest.mark.parametrize("name", HARD)


def found_by(name, scene, n=40, seed=0):
    y = torch.arange(n) % 2
    return plugin(generators.search, name)(scene, y, OPTIONS, torch.Generator().manual_seed(seed))


@every
def test_it_makes_one_candidate_for_each_wanted_label(name, scene):
    found = found_by(name, scene)

    assert found.search == name
    assert found.batch.labels.tolist() == [0, 1] * 20
    assert len(found.parents) == len(set(found.batch.keys)) == 40


@every
def test_its_images_are_what_a_reader_of_the_shard_will_see(name, scene):
    images = found_by(name, scene).batch.inputs["image"]

    assert torch.equal(images, image.stored(images))
    assert images.min() >= 0
    assert images.max() <= 1


@every
def test_it_states_the_models_margins_of_its_images_and_of_their_starts(name, scene):
    found = found_by(name, scene)

    y = found.batch.labels
    assert torch.equal(found.margins, margins_of(scene.model(found.batch.inputs["image"]), y))
    assert torch.equal(found.margins_before, margins_of(scene.model(found.starts["image"]), y))


@every
def test_parents_are_real_samples_and_the_first_has_the_label_if_anybody_told_it(name, scene):
    found = found_by(name, scene)
    label_of = dict(zip(scene.real.keys, scene.real.labels.tolist(), strict=True))
    known = label_of if name != "unlabelled" else dict.fromkeys(scene.unlabelled.keys)

    for parents, label in zip(found.parents, found.batch.labels.tolist(), strict=True):
        assert set(parents) <= set(known)
        assert not parents or known[parents[0]] in (label, None)


@every
def test_the_same_seed_gives_the_same_candidates_and_another_seed_others(name, scene):
    one, two, other = (found_by(name, scene, seed=seed).batch.inputs["image"] for seed in (1, 1, 2))

    assert torch.equal(one, two)
    assert not torch.equal(one, other)


@hard
def test_it_brings_margins_into_the_band_from_outside(name, scene):
    found = found_by(name, scene)

    assert (found.margins_before.abs() > OPTIONS.band).float().mean() > 0.5
    assert (found.margins.abs() <= OPTIONS.band + 0.1).float().mean() > 0.9


@hard
def test_it_looks_on_both_sides_of_the_boundary(name, scene):
    margins = found_by(name, scene, n=100).margins

    assert (margins > 0).float().mean() > 0.2
    assert (margins < 0).float().mean() > 0.2


def test_perturb_stays_within_its_ball(scene):
    found = found_by("perturb", scene)

    assert (found.batch.inputs["image"] - found.starts["image"]).abs().max() <= OPTIONS.epsilon + 1 / 255


def test_adversarial_goes_to_the_worst_point_of_its_ball(scene):
    found = found_by("adversarial", scene)

    # Only the first pixel counts, and its gradient never turns: it moves by the whole radius, away from its class.
    moved = (found.batch.inputs["image"] - found.starts["image"])[:, 0, 0, 0]
    away = torch.where(found.batch.labels == 0, 1.0, -1.0)
    assert torch.allclose(moved, away * OPTIONS.epsilon, atol=1 / 255)
    assert (found.margins < found.margins_before).all()


def test_a_class_without_real_samples_is_refused(scene):
    with pytest.raises(ValueError, match=r"no real sample to start from for labels \[7\]"):
        plugin(generators.search, "perturb")(scene, torch.tensor([7]), OPTIONS, torch.Generator())


@pytest.mark.parametrize("attack", [name for name in plugin_names(generators.attacks) if name != "apgd_dlr"])
def test_perturb_finds_hard_samples_with_any_attack(attack, scene):
    # Two classes are too few for the difference of logits ratio.
    options = SearchOptions(band=2.0, epsilon=0.9, norm="l2", attack=attack, steps=100)

    found = perturb(scene, torch.arange(40) % 2, options, torch.Generator().manual_seed(0))

    assert (found.margins.abs() <= options.band).float().mean() > 0.9


def test_perturb_starts_from_the_generator_on_request(scene):
    y = torch.arange(100) % 2

    found = {
        parents: perturb(scene, y, SearchOptions(parents=parents), torch.Generator().manual_seed(0))
        for parents in ("real", "generated", "both")
    }

    orphans = {parents: sum(not one for one in some.parents) for parents, some in found.items()}
    assert orphans["real"] == 0
    assert orphans["generated"] == 100
    assert 30 < orphans["both"] < 70


def test_a_translated_sample_keeps_its_label_and_a_boundary_search_may_start_from_it(scene):
    y = torch.arange(40) % 2

    found = plugin(generators.search, "translate")(scene, y, OPTIONS, torch.Generator().manual_seed(0))
    attacked = perturb(scene, y, replace(OPTIONS, parents="translated"), torch.Generator().manual_seed(0))

    turned = 1 - found.starts["image"][:, 0, 1, 1]  # what the translation does to the last pixel
    assert torch.allclose(found.batch.inputs["image"][:, 0, 1, 1], turned, atol=1 / 255)
    real = dict(zip(scene.real.keys, scene.real.inputs["image"], strict=True))
    for (parent,), start in zip(attacked.parents, attacked.starts["image"], strict=True):
        assert abs(1 - real[parent][0, 1, 1] - start[0, 1, 1]) < 1 / 255


def test_without_another_domain_there_is_nothing_to_translate_to(scene):
    here = replace(scene, translation=None)

    with pytest.raises(ValueError, match="only `hardshard adapt` learns a translation"):
        plugin(generators.search, "translate")(here, torch.tensor([0]), OPTIONS, torch.Generator())


class WithoutGradients(torch.autograd.Function):
    """The identity, until somebody asks for a gradient."""

    @staticmethod
    def forward(_, x):
        return x.clone()

    @staticmethod
    def backward(*_):
        raise AssertionError("this model has no gradients")


def test_latent_square_needs_no_gradient_of_the_model(scene):
    blind = replace(scene, model=lambda x: scene.model(WithoutGradients.apply(x)))

    found = found_by("latent_square", blind)

    assert (found.margins.abs() <= OPTIONS.band).float().mean() > 0.9
    with pytest.raises(AssertionError, match="no gradients"):
        found_by("latent_walk", blind)


@pytest.mark.parametrize(
    ("field", "value"),
    [("sides", "left"), ("way", "up"), ("parents", "none"), ("realism", 1.0), ("restarts", 0), ("beyond", -1.0)],
)
def test_an_option_out_of_range_is_refused_with_its_value(field, value):
    with pytest.raises(ValueError, match=f"search.{field} must .* got {value}"):
        SearchOptions(**{field: value})


@hard
@pytest.mark.parametrize(("sides", "sign"), [("right", 1), ("wrong", -1)])
def test_it_aims_at_one_side_of_the_boundary_on_request(name, sides, sign, scene):
    options = replace(OPTIONS, sides=sides)

    found = plugin(generators.search, name)(scene, torch.arange(40) % 2, options, torch.Generator().manual_seed(0))

    assert (found.margins * sign > -0.1).float().mean() > 0.9
