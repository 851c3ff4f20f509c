"""Every file of generators/corruptions keeps the promises of the folder."""

import pytest
import torch

import generators.corruptions
from data.plugins import plugin, plugin_names

SHAPES = [(6, 1, 8, 8), (6, 1, 28, 28), (2, 3, 224, 224), (3, 3, 20, 14)]

pytestmark = pytest.mark.parametrize("name", plugin_names(generators.corruptions))


def corruption_of(name):
    return plugin(generators.corruptions, name)


def pictures(shape: tuple[int, ...]) -> torch.Tensor:
    """Bright crosses on dark noise, at odd places, so that no corruption leaves them as they are."""
    height, width = shape[2:]
    x = 0.2 * torch.rand(shape, generator=torch.Generator().manual_seed(1))
    x[:, :, height // 4 | 1 : height // 2 | 1] += 0.6
    x[:, :, :, width // 4 | 1 : width // 2 | 1] += 0.2
    return x


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("severity", [1, 3, 5])
def test_it_keeps_shape_and_range_and_has_no_gradient(name, shape, severity, rng):
    x = pictures(shape).requires_grad_()

    corrupted = corruption_of(name)(x, severity, rng)

    assert corrupted.shape == x.shape
    assert corrupted.dtype == x.dtype
    assert ((corrupted >= 0) & (corrupted <= 1)).all()
    assert not corrupted.requires_grad


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_severity_5_moves_images_further_than_1(name, shape, rng):
    x = pictures(shape)

    mild, severe = (corruption_of(name)(x, severity, rng) - x for severity in (1, 5))

    assert 0 < mild.square().mean() < severe.square().mean()


def test_the_same_seed_gives_the_same_result_and_leaves_its_input(name):
    x = pictures(SHAPES[0])
    before, state = x.clone(), torch.random.get_rng_state()

    one, two = (corruption_of(name)(x, 3, torch.Generator().manual_seed(7)) for _ in range(2))

    assert torch.equal(one, two)
    assert torch.equal(x, before)
    assert torch.equal(state, torch.random.get_rng_state())


def test_black_and_white_images_stay_in_range(name, rng):
    x = torch.stack([torch.zeros(1, 8, 8), torch.ones(1, 8, 8)])

    corrupted = corruption_of(name)(x, 5, rng)

    assert ((corrupted >= 0) & (corrupted <= 1)).all()


@pytest.mark.parametrize("severity", [0, 6, 2.5, float("nan")])
def test_a_severity_that_there_is_not_is_refused(name, severity, rng):
    with pytest.raises(ValueError, match="severity must be 1, 2, 3, 4 or 5, got"):
        corruption_of(name)(pictures(SHAPES[0]), severity, rng)
