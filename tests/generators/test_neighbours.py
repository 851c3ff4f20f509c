import pytest
import torch

from generators.neighbours import FAR, soft_neighbours, spacing


def points() -> tuple[torch.Tensor, torch.Tensor]:
    """Class 0 at 0 and 0.1, class 1 at 0.9 and 1, of two pixels each."""
    x = torch.tensor([0.0, 0.1, 0.9, 1.0])[:, None].expand(4, 2).reshape(4, 1, 1, 2)
    return x, torch.tensor([0, 0, 1, 1])


def test_the_spacing_is_the_median_squared_distance_to_the_nearest_other():
    assert spacing(points()[0].flatten(1)) == pytest.approx(2 * 0.1**2, rel=1e-3)


def test_the_nearest_class_wins_and_the_logits_are_those_of_the_formula():
    model = soft_neighbours(*points(), classes=2)

    logits = model(torch.full((1, 1, 1, 2), 0.2))

    squared = 2 * torch.tensor([0.2, 0.1, 0.7, 0.8]) ** 2
    expected = (-squared / spacing(points()[0].flatten(1))).view(2, 2).logsumexp(1)
    assert logits.argmax(1).item() == 0
    assert torch.allclose(logits[0], expected, rtol=1e-3)


def test_a_class_without_a_sample_is_never_chosen_and_leaves_the_gradient_finite():
    x, y = points()
    inputs = x.clone().requires_grad_()

    logits = soft_neighbours(x, y, classes=3)(inputs)
    (gradient,) = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, y), inputs)

    assert (logits[:, 2] == FAR).all()
    assert (logits.argmax(1) == y).all()
    assert gradient.isfinite().all()


def test_copies_do_not_count_for_the_spacing():
    x = points()[0].flatten(1)

    assert spacing(torch.cat([x, x])) == pytest.approx(2 * 0.1**2, rel=1e-3)


@pytest.mark.parametrize("count", [1, 2])
def test_a_single_sample_or_only_copies_are_refused(count):
    with pytest.raises(ValueError, match="samples that differ, got"):
        soft_neighbours(torch.full((count, 1, 2, 2), 0.5), torch.zeros(count, dtype=torch.int64), 2)
