"""A class-conditional GAN by the modern baseline, R3GAN: Huang et al. 2024, arXiv:2501.05441.

Relativistic pairing loss, R1 and R2 penalties, differentiable augmentation, averaged generator weights. The whole
state of a training is a dictionary of tensors, so that it can be put aside and taken up again to the bit.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from generators.augmentation import augment
from generators.losses import relativistic_loss, zero_centred_penalty
from generators.networks import Discriminator, GanShape, Generator
from generators.options import GanOptions
from generators.underway import Average, alone, average, optimiser_tensors, restore_optimisers, under, update


@dataclass
class GanTraining:
    """A training under way."""

    generator: Generator
    averaged: Generator
    discriminator: Discriminator
    optimisers: tuple[torch.optim.Adam, torch.optim.Adam]
    """Of the generator and of the discriminator."""
    rng: torch.Generator
    step: int = 0
    average: Average = alone
    """Between going back and stepping."""


def begin(shape: GanShape, options: GanOptions, seed: int) -> GanTraining:
    """A training at step 0; the same seed gives the same networks and the same draws."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator, discriminator = Generator(shape), Discriminator(shape)
    networks = (generator, discriminator)
    optimisers = [torch.optim.Adam(n.parameters(), options.learning_rate, betas=(0.0, 0.99)) for n in networks]
    averaged = copy.deepcopy(generator).requires_grad_(False)
    rng = torch.Generator().manual_seed(seed)
    return GanTraining(generator, averaged, discriminator, (optimisers[0], optimisers[1]), rng)


def advance(training: GanTraining, x: Tensor, y: Tensor, options: GanOptions) -> Mapping[str, float]:
    """One step of each network on a batch drawn from real images and labels.

    Args:
        x: all real images, float (M, C, H, W) in [0, 1].
        y: their labels, int64 (M,).

    Returns:
        The discriminator's and the generator's losses and the penalty, for the log.
    """
    rows = torch.randint(len(x), (options.batch_size,), generator=training.rng)
    for optimiser in training.optimisers:
        optimiser.param_groups[0]["lr"] = options.learning_rate * (1 - 0.9 * training.step / options.steps)
    judged, penalty = _discriminator_step(training, x[rows], y[rows], options)
    fooled = _generator_step(training, x[rows], y[rows], options)
    decay = min(options.averaging, (1 + training.step) / (10 + training.step))
    average(training.averaged, training.generator, decay)
    training.step += 1
    return {"discriminator": judged, "generator": fooled, "penalty": penalty}


def _discriminator_step(training: GanTraining, x: Tensor, y: Tensor, options: GanOptions) -> tuple[float, float]:
    with torch.no_grad():
        generated = _generate(training, y, options)
    real, fake = (augment(images, training.rng).requires_grad_() for images in (x, generated))
    on_real, on_fake = training.discriminator(torch.cat([real, fake]), torch.cat([y, y])).chunk(2)
    penalty = zero_centred_penalty(on_real, real) + zero_centred_penalty(on_fake, fake)
    loss = relativistic_loss(on_real, on_fake)
    update(training.optimisers[1], loss + options.penalty * penalty, training.average)
    return loss.item(), penalty.item()


def _generator_step(training: GanTraining, x: Tensor, y: Tensor, options: GanOptions) -> float:
    real, fake = augment(x, training.rng), augment(_generate(training, y, options), training.rng)
    on_real, on_fake = training.discriminator(torch.cat([real, fake]), torch.cat([y, y])).chunk(2)
    loss = relativistic_loss(on_fake, on_real)
    update(training.optimisers[0], loss, training.average)
    return loss.item()


def _generate(training: GanTraining, y: Tensor, options: GanOptions) -> Tensor:
    images: Tensor = training.generator(torch.randn(len(y), options.latent, generator=training.rng), y)
    return images


def state_of(training: GanTraining) -> dict[str, Tensor]:
    """All that a training depends on from here on, as named tensors."""
    tensors = {"step": torch.tensor(training.step), "rng": training.rng.get_state()}
    for name in ("generator", "averaged", "discriminator"):
        tensors |= {f"{name}.{key}": value for key, value in getattr(training, name).state_dict().items()}
    return tensors | optimiser_tensors(training.optimisers)


def networks_of(training: GanTraining) -> dict[str, Tensor]:
    """What a finished training is for: the averaged generator's tensors and the discriminator's, by name."""
    generator = {f"generator.{name}": value for name, value in training.averaged.state_dict().items()}
    return generator | {f"discriminator.{name}": value for name, value in training.discriminator.state_dict().items()}


def restore(training: GanTraining, tensors: Mapping[str, Tensor]) -> None:
    """Put a training, begun with the same shape and options, into the state that `state_of` gave.

    Raises:
        KeyError, RuntimeError: the tensors are not those of such a training.
    """
    for name in ("generator", "averaged", "discriminator"):
        getattr(training, name).load_state_dict(under(tensors, name))
    restore_optimisers(training.optimisers, tensors)
    training.rng.set_state(tensors["rng"])
    training.step = int(tensors["step"])
