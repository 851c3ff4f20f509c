"""A GAN of several modalities: one latent makes them all, one discriminator sees them together, under a condition.

The losses are those of `generators.gan` (R3GAN, Huang et al. 2024, arXiv:2501.05441); real events whose parts do not
belong together are the discriminator's second kind of negatives (matching-aware, Reed et al. 2016, arXiv:1605.05396).
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from generators.augmentation import augment, delay
from generators.losses import relativistic_loss, zero_centred_penalty
from generators.paired_networks import Inputs, PairDiscriminator, PairGenerator, PairShape, side_by_side
from generators.paired_options import PairGanOptions
from generators.underway import average, optimiser_tensors, restore_optimisers, under, update


@dataclass(frozen=True)
class Events:
    """The real events that a GAN learns from.

    Attributes:
        x: modality -> x (M, ...) of what is to be made.
        conditions: float (M, C): the class as a vector, or the encoding of the modality that is given.
        labels: int64 (M,); two classes at least.
    """

    x: Inputs
    conditions: Tensor
    labels: Tensor


@dataclass
class PairTraining:
    """A training under way."""

    generator: PairGenerator
    averaged: PairGenerator
    discriminator: PairDiscriminator
    optimisers: tuple[torch.optim.Adam, torch.optim.Adam]
    """Of the generator and of the discriminator."""
    rng: torch.Generator
    codes: Inputs
    """Of all real events: modality -> code (M, ...)."""
    step: int = 0


def begin(shape: PairShape, events: Events, options: PairGanOptions, seed: int) -> PairTraining:
    """A training at step 0; the same seed gives the same networks and the same draws."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator, discriminator = PairGenerator(shape), PairDiscriminator(shape)
    generator.fit(events.x)
    networks = (generator, discriminator)
    optimisers = [torch.optim.Adam(n.parameters(), options.learning_rate, betas=(0.0, 0.99)) for n in networks]
    averaged = copy.deepcopy(generator).requires_grad_(False)
    rng = torch.Generator().manual_seed(seed)
    both = (optimisers[0], optimisers[1])
    return PairTraining(generator, averaged, discriminator, both, rng, generator.inward(events.x))


def advance(training: PairTraining, events: Events, options: PairGanOptions) -> Mapping[str, float]:
    """One step of each network on a batch drawn from real events.

    Returns:
        The discriminator's and the generator's losses and the penalty, for the log.
    """
    rows = torch.randint(len(events.labels), (options.batch_size,), generator=training.rng)
    for optimiser in training.optimisers:
        optimiser.param_groups[0]["lr"] = options.learning_rate * (1 - 0.9 * training.step / options.steps)
    judged, penalty = _discriminator_step(training, rows, events, options)
    fooled = _generator_step(training, rows, events, options)
    average(training.averaged, training.generator, min(options.averaging, (1 + training.step) / (10 + training.step)))
    training.step += 1
    return {"discriminator": judged, "generator": fooled, "penalty": penalty}


def _discriminator_step(
    training: PairTraining, rows: Tensor, events: Events, options: PairGanOptions
) -> tuple[float, float]:
    condition = _conditions(training, rows, events, options)
    with torch.no_grad():
        fake = _seen(training, _generated(training, condition, options), options)
        real = _seen(training, _at(training.codes, rows), options)
    both = torch.cat([side_by_side(real), side_by_side(fake)]).requires_grad_()
    said = training.discriminator(both, torch.cat([condition] * 2))
    on_real, on_fake = said.chunk(2)
    penalty = 2 * zero_centred_penalty(said, both)  # a mean over both halves: R1 and R2 are one of each
    loss = relativistic_loss(on_real, on_fake)
    if options.mismatched:
        strangers, theirs = _mismatched(training, rows, real, condition, events)
        on_strangers = training.discriminator(side_by_side(strangers), theirs)
        loss = loss + options.mismatched * relativistic_loss(on_real, on_strangers)
    update(training.optimisers[1], loss + options.penalty * penalty)
    return loss.item(), penalty.item()


def _generator_step(training: PairTraining, rows: Tensor, events: Events, options: PairGanOptions) -> float:
    condition = _conditions(training, rows, events, options)
    real = _seen(training, _at(training.codes, rows), options)
    fake = _seen(training, _generated(training, condition, options), options)
    training.discriminator.requires_grad_(False)
    on_fake, on_real = (training.discriminator(side_by_side(codes), condition) for codes in (fake, real))
    loss = relativistic_loss(on_fake, on_real)
    if options.spread:
        loss = loss + options.spread * shortfall(fake, real, events.labels[rows])
    update(training.optimisers[0], loss)
    training.discriminator.requires_grad_(True)
    return loss.item()


def shortfall(fake: Inputs, real: Inputs, labels: Tensor) -> Tensor:
    """By which share the mean distance within a class falls short of real events', a scalar: 0 where it does not.

    Summed over modalities, codes (B, ...) with labels int64 (B,). Without it what is made of one class is too much
    alike for thousands of steps; mode seeking, Mao et al. 2019, arXiv:1903.05628, with the real distance as its end.
    """
    alike = (labels[:, None] == labels).triu(1)
    short = [labels.new_zeros((), dtype=torch.float32)]
    if alike.any():
        for name, code in fake.items():
            made, known = (torch.cdist(one.flatten(1), one.flatten(1))[alike].mean() for one in (code, real[name]))
            short.append((1 - made / known.clamp_min(1e-6)).relu())
    return torch.stack(short).sum()


def _conditions(training: PairTraining, rows: Tensor, events: Events, options: PairGanOptions) -> Tensor:
    """Float (B, C), blurred, so that an encoding never seen before is near one that was."""
    exact = events.conditions[rows]
    return exact + options.blur * torch.randn(exact.shape, generator=training.rng)


def _mismatched(
    training: PairTraining, rows: Tensor, real: Inputs, condition: Tensor, events: Events
) -> tuple[dict[str, Tensor], Tensor]:
    """Real events of which a part is that of another class: each modality in turn, or the condition of a single one.

    Rows that meet one of their own class get the next one of another.
    """
    others = torch.randint(len(events.labels), (len(rows),), generator=training.rng)
    for _ in range(len(events.labels)):
        alike = events.labels[others] == events.labels[rows]
        if not alike.any():
            break
        others = torch.where(alike, (others + 1) % len(events.labels), others)
    if len(real) == 1:
        return dict(real), events.conditions[others]
    turn = sorted(real)[training.step % len(real)]
    return {**real, turn: training.codes[turn][others]}, condition


def _generated(training: PairTraining, condition: Tensor, options: PairGanOptions) -> dict[str, Tensor]:
    z = torch.randn(len(condition), options.latent, generator=training.rng)
    return training.generator.codes(z, condition)


def _seen(training: PairTraining, codes: Inputs, options: PairGanOptions) -> dict[str, Tensor]:
    """The codes, modality -> (B, ...), as the discriminator sees them: moved a little, so that it learns nothing by
    heart."""
    seen = dict(codes)
    if "image" in seen:
        seen["image"] = augment(seen["image"] + 1, training.rng, most=options.shift) - 1
    if "features" in seen and (most := min(options.delay, seen["features"].shape[2] - 1)):
        seen["features"] = delay(seen["features"], training.rng, most=most, dim=2)
    return seen


def _at(codes: Inputs, rows: Tensor) -> dict[str, Tensor]:
    return {name: code[rows] for name, code in codes.items()}


def state_of(training: PairTraining) -> dict[str, Tensor]:
    """All that a training depends on from here on, as named tensors of any shape."""
    tensors = {"step": torch.tensor(training.step), "rng": training.rng.get_state()}
    for name in ("generator", "averaged", "discriminator"):
        tensors |= {f"{name}.{key}": value for key, value in getattr(training, name).state_dict().items()}
    return tensors | optimiser_tensors(training.optimisers)


def networks_of(training: PairTraining) -> dict[str, Tensor]:
    """What a finished training is for: the tensors, of any shape, of the averaged generator."""
    return dict(training.averaged.state_dict())


def restore(training: PairTraining, tensors: Mapping[str, Tensor]) -> None:
    """Put a training, begun with the same shape, events and options, into the state that `state_of` gave.

    Raises:
        KeyError, RuntimeError: the tensors, of any shape, are not those of such a training.
    """
    for name in ("generator", "averaged", "discriminator"):
        getattr(training, name).load_state_dict(under(tensors, name))
    restore_optimisers(training.optimisers, tensors)
    training.rng.set_state(tensors["rng"])
    training.step = int(tensors["step"])
