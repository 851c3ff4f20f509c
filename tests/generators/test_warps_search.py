import torch

from data.records import Batch
from generators.options import SearchOptions
from generators.search import Scene
from generators.search.warps import warp_of, warps


def blob(count: int) -> Batch:
    """A bright square in the middle of an 8x8 image."""
    images = torch.zeros(count, 1, 8, 8)
    images[:, :, 3:5, 3:5] = 1
    return Batch(tuple(str(n) for n in range(count)), {"image": images}, torch.arange(count) % 2)


def leaning(x: torch.Tensor) -> torch.Tensor:
    """Class 1 where there is more light on the right; the margin of class 1 is twice what there is more."""
    more = x[..., 4:].sum((1, 2, 3)) - x[..., :4].sum((1, 2, 3))
    return torch.stack([-more, more], 1)


def test_a_warp_keeps_most_of_the_light_and_stays_in_range(rng):
    x = blob(50).inputs["image"]

    warped = warp_of(x, rng)

    light = warped.sum((1, 2, 3)) / x.sum((1, 2, 3))
    assert warped.min() >= 0
    assert warped.max() <= 1
    assert 0.6 < light.min() < light.max() < 1.6
    assert not torch.equal(warped[0], warped[1])


def test_of_several_warps_the_one_nearest_to_the_wanted_margin_is_kept(rng):
    real = blob(60)
    scene = Scene(leaning, lambda z, _: z, 1, real)
    y = torch.arange(60) % 2

    found = warps(scene, y, SearchOptions(band=0.05), rng)
    any_warp = leaning(warp_of(real.inputs["image"], rng))[:, 1]

    assert found.margins.abs().mean() < 0.3 * 2 * any_warp.abs().mean()
