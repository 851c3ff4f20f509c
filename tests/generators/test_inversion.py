"""Inversion of generators whose latents are known."""

import torch

from generators.inversion import EncoderShape, fit_encoder, invert
from generators.options import SearchOptions
from generators.search.interpolate import interpolate


def test_inversion_finds_the_latents_of_what_was_drawn(scene, rng):
    z, y = torch.randn(20, 4, generator=rng), torch.arange(20) % 2

    found = invert(scene.generator, scene.generator(z, y), y, torch.zeros(20, 4), 300)

    assert (found - z).abs().median() < 0.001
    assert (scene.generator(found, y) - scene.generator(z, y)).square().mean() < 1e-4


def test_the_encoder_is_nearer_to_the_latents_than_no_encoder(scene, rng):
    z, y = torch.randn(200, 4, generator=rng), torch.arange(200) % 2

    encoder = fit_encoder(scene.generator, EncoderShape(pixels=4, classes=2, latent=4))

    assert (encoder(scene.generator(z, y), y) - z).square().mean() < 0.1 * z.square().mean()


def test_the_encoder_follows_from_the_generator_alone(scene):
    shape = EncoderShape(pixels=4, classes=2, latent=4)

    torch.manual_seed(5)
    one = fit_encoder(scene.generator, shape, steps=3)
    torch.manual_seed(6)
    two = fit_encoder(scene.generator, shape, steps=3)

    assert all(torch.equal(p, q) for p, q in zip(one.parameters(), two.parameters(), strict=True))


def test_a_real_sample_is_inverted_once(scene):
    looks = []

    def counted(z, y):
        looks.append(len(z))
        return scene.generator(z, y)

    watched = type(scene)(scene.model, counted, scene.latent, scene.real)
    first = watched.latents_of(torch.tensor([0, 3, 3]), 5)
    before = len(looks)
    again = watched.latents_of(torch.tensor([3, 0]), 5)

    assert len(looks) == before
    assert torch.equal(first[[1, 0]], again)


def test_the_way_within_a_class_leads_to_the_parent(scene, rng):
    y = torch.zeros(40, dtype=torch.int64)

    found = interpolate(scene, y, SearchOptions(way="within", beyond=0.0), rng)

    # No crossing within the class, and nothing beyond: the way ends at the parent itself, as it is inverted.
    assert (found.batch.inputs["image"] - found.starts["image"]).abs().max() < 0.1


def test_going_past_the_parent_finds_the_boundary_that_lies_beyond_it(scene, rng):
    y = torch.zeros(40, dtype=torch.int64)

    short, long = (
        interpolate(scene, y, SearchOptions(way="within", beyond=beyond), rng.manual_seed(0)) for beyond in (0.0, 3.0)
    )

    assert (short.margins.abs() <= 1).sum() == 0
    assert (long.margins.abs() <= 1).sum() >= 10


def test_the_label_of_the_way_between_classes_goes_along(scene, rng):
    labels = []

    def watched(z, y):
        labels.append(y)
        return scene.generator(z, y)

    interpolate(type(scene)(scene.model, watched, 4, scene.real), torch.tensor([0, 1]), SearchOptions(), rng)

    mixed = torch.cat([y for y in labels if y.is_floating_point()])
    assert torch.allclose(mixed.sum(1), torch.ones(len(mixed)))
    assert mixed.min() == 0
    assert mixed.max() == 1
    assert ((mixed > 0.1) & (mixed < 0.9)).any()
