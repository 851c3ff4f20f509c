import math

import pytest
import torch

from generators import gan
from generators.augmentation import augment, shift
from generators.fidelity import precision_recall
from generators.losses import relativistic_loss, zero_centred_penalty
from generators.networks import GanShape
from generators.options import GanOptions

OPTIONS = GanOptions(steps=6, batch_size=4, latent=3, features=4, discriminator_features=8)
SHAPE = GanShape(channels=1, height=4, width=4, classes=2, latent=3, features=4, discriminator_features=8)
X = torch.rand(10, 1, 4, 4, generator=torch.Generator().manual_seed(0))
Y = torch.arange(10) % 2


def trained(steps: int) -> gan.GanTraining:
    training = gan.begin(SHAPE, OPTIONS, seed=0)
    for _ in range(steps):
        gan.advance(training, X, Y, OPTIONS)
    return training


def test_the_relativistic_loss_is_log_two_for_equal_outputs_and_falls_when_the_favoured_leads():
    same = torch.zeros(3)

    assert relativistic_loss(same, same).item() == pytest.approx(math.log(2))
    assert relativistic_loss(same + 1, same) < relativistic_loss(same, same)


def test_the_penalty_is_half_the_squared_slope():
    x = torch.zeros(5, 1, 1, 2, requires_grad=True)
    slope = torch.tensor([3.0, 4.0])

    penalty = zero_centred_penalty((x.flatten(1) * slope).sum(1), x)

    assert penalty.item() == pytest.approx(25 / 2)


def test_a_shift_moves_pixels_and_brings_in_zeros(rng):
    x = torch.zeros(200, 1, 3, 3)
    x[:, :, 1, 1] = 1

    moved = shift(x, rng)

    assert (moved.flatten(1).sum(1) == 1).all()
    assert (moved.sum(0) > 0).all()  # each of the nine places is reached


def test_augmentation_lets_gradients_through(rng):
    x = torch.rand(4, 1, 4, 4, requires_grad=True)

    augment(x, rng).sum().backward()

    assert x.grad is not None
    assert x.grad.abs().sum() > 0


def test_a_training_taken_up_again_goes_on_to_the_bit():
    whole = trained(6)

    first = trained(3)
    state = {name: tensor.clone() for name, tensor in gan.state_of(first).items()}
    second = gan.begin(SHAPE, OPTIONS, seed=99)
    gan.restore(second, state)
    for _ in range(3):
        gan.advance(second, X, Y, OPTIONS)

    resumed, undisturbed = gan.state_of(second), gan.state_of(whole)
    assert resumed.keys() == undisturbed.keys()
    assert all(torch.equal(resumed[name], undisturbed[name]) for name in undisturbed)


def test_generated_images_lie_in_range_and_the_averaged_weights_lag_behind():
    training = trained(2)

    images = training.averaged(torch.randn(5, 3), torch.tensor([0, 1, 0, 1, 0]))

    assert images.shape == (5, 1, 4, 4)
    assert images.min() >= 0
    assert images.max() <= 1
    assert not torch.equal(training.averaged.ground.weight, training.generator.ground.weight)


def test_precision_falls_for_fakes_far_off_and_recall_for_a_collapsed_generator(rng):
    real = torch.randn(100, 2, generator=rng)

    same = precision_recall(real, torch.randn(100, 2, generator=rng))
    collapsed = precision_recall(real, 0.01 * torch.randn(100, 2, generator=rng))
    far = precision_recall(real, torch.randn(100, 2, generator=rng) + 50)

    assert min(same) > 0.8
    assert collapsed[0] == 1
    assert collapsed[1] < 0.1
    assert far == (0, 0)


def test_precision_of_too_few_samples_is_refused():
    with pytest.raises(ValueError, match="more than 3 samples"):
        precision_recall(torch.zeros(3, 2), torch.zeros(9, 2))


@pytest.mark.parametrize(("field", "value"), [("steps", 0), ("penalty", float("nan")), ("averaging", 1.0)])
def test_an_option_out_of_range_is_refused(field, value):
    with pytest.raises(ValueError, match=f"generator.{field} must .* got {value}"):
        GanOptions(**{field: value})
