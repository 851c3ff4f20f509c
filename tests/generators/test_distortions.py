import pytest
import torch

from generators.distortions import distort
from generators.options import DistortionOptions

NONE = DistortionOptions(turn=0, slant=0, growth=0, move=0, bend=0)


@pytest.fixture
def x():
    return torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_no_distortion_leaves_every_image_as_it_is(x, rng):
    torch.testing.assert_close(distort(x, rng, NONE), x, atol=1e-5, rtol=1e-5)


def test_every_image_is_distorted_in_a_way_of_its_own_and_stays_in_range(rng):
    same = torch.rand(1, 1, 8, 8, generator=rng).expand(20, -1, -1, -1)

    found = distort(same, rng, DistortionOptions())

    assert found.shape == same.shape
    assert found.min() >= 0
    assert found.max() <= 1
    assert len({image.numpy().tobytes() for image in found}) == 20


def test_a_move_shifts_by_at_most_its_share_of_the_side(rng):
    x = torch.zeros(200, 1, 8, 8)
    x[:, :, 3:5, 3:5] = 1

    moved = distort(x, rng, DistortionOptions(turn=0, slant=0, growth=0, move=0.125, bend=0))

    columns = (moved.sum(2)[:, 0] * (torch.arange(8) + 0.5)).sum(1) / moved.sum((1, 2, 3)) - 4
    assert 0.8 < columns.abs().max() <= 1.001  # an eighth of eight pixels


def test_the_same_seed_distorts_alike(x):
    one, two = (distort(x, torch.Generator().manual_seed(3), DistortionOptions()) for _ in range(2))

    assert torch.equal(one, two)


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_an_option_out_of_range_is_refused(value):
    with pytest.raises(ValueError, match=r"distortion\.bend must be >= 0 and finite"):
        DistortionOptions(bend=value)
