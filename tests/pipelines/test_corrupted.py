import pytest
import torch

import generators.corruptions
from data.plugins import plugin_names
from generators.warps import linear, shifts, warp
from pipelines.training.evaluation.corrupted import accuracy_by_corruption, right_when_corrupted


@pytest.fixture
def halves() -> tuple[torch.Tensor, torch.Tensor]:
    """300 images, 1x8x8: class 0 is bright on the left half, class 1 on the right."""
    y = torch.arange(300) % 2
    x = torch.zeros(300, 1, 8, 8)
    x[y == 0, :, :, :4] = 0.8
    x[y == 1, :, :, 4:] = 0.8
    return x, y


def which_half(x: torch.Tensor) -> torch.Tensor:
    return torch.stack([x[..., :4].mean((1, 2, 3)), x[..., 4:].mean((1, 2, 3))], 1)


def test_a_model_of_halves_is_right_under_every_corruption_at_five_severities(halves):
    right = right_when_corrupted(which_half, *halves, seed=0)

    assert set(right) == set(plugin_names(generators.corruptions))
    assert all(flags.shape == (5, 300) for flags in right.values())
    assert all(flags.all() for flags in right.values())


def test_accuracy_is_the_share_of_right_flags(halves):
    x, y = halves

    accuracy = accuracy_by_corruption(right_when_corrupted(lambda x: which_half(x) * 0, x, y, seed=0))

    assert accuracy["blur"] == [50.0] * 5  # ties go to class 0


def test_every_model_sees_the_same_corrupted_images(halves):
    seen: list[list[torch.Tensor]] = [[], []]

    for images in seen:
        right_when_corrupted(lambda x, images=images: images.append(x) or which_half(x), *halves, seed=3)

    assert all(torch.equal(one, two) for one, two in zip(*seen, strict=True))


def test_a_warp_shows_a_pixel_where_it_was_shifted_to():
    x = torch.zeros(1, 1, 4, 8)
    x[0, 0, 1, 2] = 1

    moved = warp(x, shifts(torch.tensor([2 / 8 * 3]), torch.tensor([2 / 4])))

    assert moved[0, 0, 2, 5] == pytest.approx(1)
    assert moved.sum() == pytest.approx(1)


def test_a_quarter_turn_turns_as_rot90_does():
    x = torch.rand(1, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    one, none = torch.ones(1), torch.zeros(1)

    turned = warp(x, linear([[none, -one], [one, none]]))

    assert torch.allclose(turned, x.rot90(1, (2, 3)), atol=1e-5)
