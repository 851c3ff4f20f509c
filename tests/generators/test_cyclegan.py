"""Translation between two domains: what it learns on a case solved on paper, and that it goes on to the bit."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from generators import cyclegan
from generators.cyclegan import Domains
from generators.image_pool import ImagePool
from generators.options import CycleOptions
from generators.translation import translation_of
from generators.translators import CycleShape, Translator, stages_of

OPTIONS = CycleOptions(
    steps=6, batch_size=4, pool=6, latent=2, features=4, blocks=1, discriminator_features=4, semantic=0.5
)
IMAGES = torch.rand(10, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def sees_the_first_pixel(x):
    side = 10 * (x.flatten(1)[:, 0] - 0.5)
    return torch.stack([-side, side], 1)


EVEN = F.one_hot(torch.arange(10) % 2, 2).float()
DOMAINS = Domains(IMAGES, 1 - IMAGES, EVEN, torch.full((10, 2), 0.5), sees_the_first_pixel)


def trained(steps, options=OPTIONS, domains=DOMAINS):
    training = cyclegan.begin(cyclegan.shape_of(options, (1, 8, 8), 2), options, seed=0)
    for _ in range(steps):
        cyclegan.advance(training, domains, options)
    return training


@pytest.mark.parametrize(
    ("side", "stages", "coarsest"),
    [(8, 0, 8), (16, 1, 8), (28, 2, 7), (32, 2, 8), (64, 3, 8), (128, 4, 8), (256, 4, 16)],
)
def test_halvings_follow_from_the_size(side, stages, coarsest):
    assert stages_of(side, side) == stages
    assert side >> stages == coarsest


@pytest.mark.parametrize("size", [(1, 8, 8), (3, 28, 28), (1, 10, 16), (3, 256, 256)])
def test_a_translation_has_the_size_and_range_of_its_image(size):
    shape = CycleShape(*size, latent=2, features=2, blocks=1, discriminator_features=2, classes=2)
    training = cyclegan.begin(shape, OPTIONS, seed=0)
    x = torch.rand(2, *size)

    made = training.a_to_b(x, torch.randn(2, 2))

    assert made.shape == x.shape
    assert made.min() >= 0
    assert made.max() <= 1
    assert training.discriminator_b(made, torch.tensor([0, 1])).shape == (2,)


def test_noise_makes_one_image_into_many_and_no_noise_into_one():
    x = IMAGES[:1].expand(5, -1, -1, -1)
    many, one = (Translator(CycleShape(1, 8, 8, latent, features=4, blocks=1)) for latent in (3, 0))
    for block in [*many.blocks, *one.blocks]:
        torch.nn.init.normal_(block.second.weight)  # zero at first, so that blocks start as the identity

    assert many(x, torch.randn(5, 3)).std(0).max() > 1e-3
    assert one(x, torch.randn(5, 0)).std(0).max() < 1e-6


def test_a_training_taken_up_again_goes_on_to_the_bit():
    whole = cyclegan.state_of(trained(6))

    first = trained(3)
    state = {name: tensor.clone() for name, tensor in cyclegan.state_of(first).items()}
    second = cyclegan.begin(cyclegan.shape_of(OPTIONS, (1, 8, 8), 2), OPTIONS, seed=99)
    cyclegan.restore(second, state)
    for _ in range(3):
        cyclegan.advance(second, DOMAINS, OPTIONS)

    resumed = cyclegan.state_of(second)
    assert resumed.keys() == whole.keys()
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_finished_networks_come_back_with_averaged_weights_and_frozen():
    training = trained(3)

    found = translation_of(cyclegan.shape_of(OPTIONS, (1, 8, 8), 2), cyclegan.networks_of(training))

    z = torch.randn(10, 2)
    assert torch.equal(found.a_to_b(IMAGES, z), training.averaged_a_to_b(IMAGES, z))
    assert not torch.equal(found.a_to_b(IMAGES, z), training.a_to_b(IMAGES, z))
    assert torch.equal(found.reversed.a_to_b(IMAGES, z), training.averaged_b_to_a(IMAGES, z))
    assert not any(parameter.requires_grad for parameter in found.discriminator_b.parameters())


def test_a_loss_of_no_weight_is_not_asked_for():
    every, fewest = (
        cyclegan.advance(cyclegan.begin(cyclegan.shape_of(options, (1, 8, 8), 2), options, 0), DOMAINS, options)
        for options in (OPTIONS, replace(OPTIONS, cycle=0, identity=0, semantic=0))
    )

    assert set(every) - set(fewest) == {"cycle", "identity", "semantic"}


def test_semantic_consistency_is_what_the_classifier_sees_in_translations():
    x = torch.zeros(2, 1, 8, 8)
    x[1] = 1
    there, other = torch.eye(2), torch.eye(2).flip(0)

    right, wrong = (
        cyclegan._semantic(sees_the_first_pixel, cyclegan._Drawn(x, x, shows, there, x, x)) for shows in (there, other)
    )

    assert float(wrong - right) == pytest.approx(10, rel=1e-3)  # each sample is 10 logits off where it was right


def test_a_discriminator_that_is_told_the_class_hears_labels_and_probabilities_alike():
    told, untold = (
        cyclegan.begin(cyclegan.shape_of(replace(OPTIONS, conditional=kind), (1, 8, 8), 2), OPTIONS, 0).discriminator_b
        for kind in (True, False)
    )
    labels = torch.arange(10) % 2

    assert torch.allclose(told(IMAGES, labels), told(IMAGES, EVEN), atol=1e-6)
    assert not torch.allclose(told(IMAGES, labels), told(IMAGES, 1 - labels))
    assert torch.equal(untold(IMAGES, labels), untold(IMAGES, 1 - labels))


def test_a_full_pool_gives_back_what_it_held_and_keeps_what_it_took(rng):
    pool = ImagePool(4)
    first, later = torch.arange(4.0).view(4, 1, 1, 1), torch.arange(100.0, 104).view(4, 1, 1, 1)

    assert torch.equal(pool.exchange(first, first[:, :, 0, 0], rng)[0], first)
    shown, said = pool.exchange(later, later[:, :, 0, 0], rng)

    old = shown.flatten()[shown.flatten() < 10]
    assert 0 < len(old) < 4
    assert sorted([*shown.flatten().tolist(), *pool.images.flatten().tolist()]) == [0, 1, 2, 3, 100, 101, 102, 103]
    assert torch.equal(said.flatten(), shown.flatten())
    assert torch.equal(pool.shows.flatten(), pool.images.flatten())


def test_a_pool_of_nothing_shows_what_is_new(rng):
    x = torch.rand(3, 1, 2, 2)

    assert torch.equal(ImagePool(0).exchange(x, x, rng)[0], x)


@pytest.mark.parametrize(
    ("field", "value"), [("steps", 0), ("cycle", float("nan")), ("averaging", 1.0), ("penalty", 0), ("shift", -2)]
)
def test_an_option_out_of_range_is_refused(field, value):
    with pytest.raises(ValueError, match=f"cycle.{field} must .* got {value}"):
        CycleOptions(**{field: value})


def test_a_device_that_torch_does_not_know_is_refused():
    with pytest.raises(ValueError, match="device must be what torch calls one, got 'gpu'"):
        CycleOptions(device="gpu")


def test_labels_that_do_not_fit_their_images_are_refused():
    with pytest.raises(ValueError, match=r"what they show: got \[10, 9, 10, 10\] of each"):
        Domains(IMAGES, IMAGES, EVEN[:9], EVEN, sees_the_first_pixel)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_unpaired_bars_learn_their_negatives_and_keep_their_number():
    """Domain a: one or two bright bars; domain b: one or two dark ones. On paper both ways are 1 - x."""
    rng = torch.Generator().manual_seed(0)
    options = replace(OPTIONS, steps=120, batch_size=16, features=8, discriminator_features=8, latent=0, pool=32)
    options = replace(options, cycle=1.0, identity=0.0, semantic=1.0, averaging=0.9, learning_rate=1e-2)

    def bars(count):
        x, labels = torch.zeros(count, 1, 8, 8), torch.arange(count) % 2
        for row, label in enumerate(labels.tolist()):
            x[row, 0, :, torch.randperm(4, generator=rng)[: label + 1] * 2] = 1
        return x, labels

    def counts(x):  # bars of either kind, as two logits: 8 pixels that differ a bar, 16 for two
        mean = x.flatten(1).mean(1)
        differ = 64 * torch.minimum(mean, 1 - mean)
        return torch.stack([12 - differ, differ - 12], 1)

    (bright, labels), dark = bars(200), 1 - bars(200)[0]
    domains = Domains(bright, dark, F.one_hot(labels, 2).float(), counts(dark).softmax(1), counts)
    training = trained(120, options, domains)
    unseen, theirs = bars(50)

    with torch.no_grad():
        made = training.averaged_a_to_b(unseen, torch.empty(50, 0))
        back = training.averaged_b_to_a(made, torch.empty(50, 0))

    assert F.l1_loss(made, 1 - unseen) < 0.1
    assert F.l1_loss(back, unseen) < 0.1
    assert (counts(made).argmax(1) == theirs).all()
