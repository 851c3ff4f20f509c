"""CycleGAN: translation between two domains of unpaired images, Zhu et al. 2017, arXiv:1703.10593.

Two generators and two discriminators with R3GAN's losses (generators/losses.py), cycle and identity losses, a pool of
earlier images, and semantic consistency as in CyCADA, Hoffman et al. 2018, arXiv:1711.03213: a classifier must see in a
translated image what the image shows. Noise makes one image into many. Discriminators are told what images show, as
far as anybody knows. As in generators/gan.py, the whole state is a dictionary of tensors, and goes on to the bit.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generators.augmentation import augment
from generators.devices import autocast
from generators.image_pool import ImagePool
from generators.losses import relativistic_loss, zero_centred_penalty
from generators.margins import Model
from generators.options import CycleOptions
from generators.translators import CycleShape, DomainDiscriminator, Translator
from generators.underway import average, optimiser_tensors, restore_optimisers, under, update

NETWORKS = ("a_to_b", "b_to_a", "discriminator_a", "discriminator_b", "averaged_a_to_b", "averaged_b_to_a")
POOLS, POOLED = ("pool_a", "pool_b"), ("images", "shows")


@dataclass
class CycleTraining:
    """A training under way."""

    a_to_b: Translator
    b_to_a: Translator
    averaged_a_to_b: Translator
    averaged_b_to_a: Translator
    discriminator_a: DomainDiscriminator
    discriminator_b: DomainDiscriminator
    pool_a: ImagePool
    pool_b: ImagePool
    """Earlier translations into the domain."""
    optimisers: tuple[torch.optim.Adam, torch.optim.Adam]
    """Of both generators and of both discriminators."""
    rng: torch.Generator
    device: torch.device
    step: int = 0


@dataclass(frozen=True)
class Domains:
    """What is learnt from, all of it on the training's device.

    Attributes:
        a, b: images of either domain, float (M, C, H, W) and (M', C, H, W) in [0, 1].
        shows_a, shows_b: what they show, float (M, K) and (M', K), rows summing to 1: labels, or somebody's opinion.
        classifier: sees in translated images what they are to show; with frozen parameters.
    """

    a: Tensor
    b: Tensor
    shows_a: Tensor
    shows_b: Tensor
    classifier: Model

    def __post_init__(self) -> None:
        sizes = [len(part) for part in (self.a, self.shows_a, self.b, self.shows_b)]
        if sizes[0] != sizes[1] or sizes[2] != sizes[3]:
            raise ValueError(f"images of domain a, what they show, those of b and what they show: got {sizes} of each")


def shape_of(options: CycleOptions, image: Sequence[int], classes: int) -> CycleShape:
    """The networks' shape for images (C, H, W) of so many classes."""
    (channels, height, width), told = image, classes if options.conditional else 0
    sizes = options.latent, options.features, options.blocks, options.discriminator_features
    return CycleShape(channels, height, width, *sizes, told)


def begin(shape: CycleShape, options: CycleOptions, seed: int) -> CycleTraining:
    """A training at step 0; the same seed gives the same networks and the same draws, on any device."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        a_to_b, b_to_a = Translator(shape), Translator(shape)
        discriminator_a, discriminator_b = DomainDiscriminator(shape), DomainDiscriminator(shape)
    networks: list[nn.Module] = [a_to_b, b_to_a, discriminator_a, discriminator_b]
    for network in networks:
        network.to(options.device)
    optimisers = [
        torch.optim.Adam([*one.parameters(), *other.parameters()], options.learning_rate, betas=(0.0, 0.99))
        for one, other in (networks[:2], networks[2:])
    ]
    return CycleTraining(
        a_to_b,
        b_to_a,
        copy.deepcopy(a_to_b).requires_grad_(False),
        copy.deepcopy(b_to_a).requires_grad_(False),
        discriminator_a,
        discriminator_b,
        ImagePool(options.pool),
        ImagePool(options.pool),
        (optimisers[0], optimisers[1]),
        torch.Generator().manual_seed(seed),
        torch.device(options.device),
    )


def advance(training: CycleTraining, domains: Domains, options: CycleOptions) -> Mapping[str, float]:
    """One step of all four networks on batches drawn from either domain.

    Returns:
        The step's losses, by name, for the log: discriminator, penalty, generator, cycle, identity, semantic.
    """
    for optimiser in training.optimisers:
        optimiser.param_groups[0]["lr"] = options.learning_rate * (1 - 0.9 * training.step / options.steps)
    drawn = _drawn(training, domains, options)
    told = _judge(training, drawn, options)
    terms = _generator_terms(training, drawn, options)
    if options.semantic:
        terms["semantic"] = options.semantic * _semantic(domains.classifier, drawn)
    update(training.optimisers[0], torch.stack(list(terms.values())).sum())
    decay = min(options.averaging, (1 + training.step) / (10 + training.step))
    average(training.averaged_a_to_b, training.a_to_b, decay)
    average(training.averaged_b_to_a, training.b_to_a, decay)
    training.step += 1
    return told | {name: term.item() for name, term in terms.items()}


@dataclass(frozen=True)
class _Drawn:
    """A batch of either domain, float (B, C, H, W), what it shows, float (B, K), and its translation."""

    a: Tensor
    b: Tensor
    shows_a: Tensor
    shows_b: Tensor
    fake_b: Tensor
    fake_a: Tensor

    def sides(self, training: CycleTraining) -> Iterator[tuple[DomainDiscriminator, ImagePool, tuple[Tensor, ...]]]:
        """A domain's discriminator and pool; images, what they show, translations into it, what those are to."""
        yield training.discriminator_a, training.pool_a, (self.a, self.shows_a, self.fake_a, self.shows_b)
        yield training.discriminator_b, training.pool_b, (self.b, self.shows_b, self.fake_b, self.shows_a)


def _drawn(training: CycleTraining, domains: Domains, options: CycleOptions) -> _Drawn:
    rows_a, rows_b = (
        torch.randint(len(domain), (options.batch_size,), generator=training.rng) for domain in (domains.a, domains.b)
    )
    a, b = domains.a[rows_a], domains.b[rows_b]
    with autocast(training.device, on=options.bf16):
        fake_b, fake_a = training.a_to_b(a, _noise(training, len(a))), training.b_to_a(b, _noise(training, len(b)))
    return _Drawn(a, b, domains.shows_a[rows_a], domains.shows_b[rows_b], fake_b.float(), fake_a.float())


def _noise(training: CycleTraining, count: int) -> Tensor:
    return torch.randn(count, training.a_to_b.shape.latent, generator=training.rng).to(training.device)


def _judge(training: CycleTraining, drawn: _Drawn, options: CycleOptions) -> dict[str, float]:
    """One step of both discriminators."""
    losses, penalties = [], []
    for discriminator, pool, (real, shows, fake, meant) in drawn.sides(training):
        shown, said = pool.exchange(fake.detach(), meant, training.rng)
        real_seen, fake_seen = (_seen(x, training, options).requires_grad_() for x in (real, shown))
        on_real, on_fake = discriminator(torch.cat([real_seen, fake_seen]), torch.cat([shows, said])).chunk(2)
        losses.append(relativistic_loss(on_real, on_fake))
        penalties.append(zero_centred_penalty(on_real, real_seen) + zero_centred_penalty(on_fake, fake_seen))
    loss, penalty = torch.stack(losses).sum(), torch.stack(penalties).sum()
    update(training.optimisers[1], loss + options.penalty * penalty)
    return {"discriminator": loss.item(), "penalty": penalty.item()}


def _seen(x: Tensor, training: CycleTraining, options: CycleOptions) -> Tensor:
    return augment(x, training.rng, most=options.shift) if options.shift >= 0 else x.clone()


def _generator_terms(training: CycleTraining, drawn: _Drawn, options: CycleOptions) -> dict[str, Tensor]:
    """What both generators lower, weighted, by name."""
    a, b, count = drawn.a, drawn.b, len(drawn.a)
    terms = {"generator": _fooling(training, drawn, options)}
    with autocast(training.device, on=options.bf16):
        if options.cycle:
            back_a = training.b_to_a(drawn.fake_b, _noise(training, count))
            back_b = training.a_to_b(drawn.fake_a, _noise(training, count))
            terms["cycle"] = options.cycle * (F.l1_loss(back_a, a) + F.l1_loss(back_b, b))
        if options.identity:
            same_a, same_b = training.b_to_a(a, _noise(training, count)), training.a_to_b(b, _noise(training, count))
            terms["identity"] = options.identity * (F.l1_loss(same_a, a) + F.l1_loss(same_b, b))
    return terms


def _fooling(training: CycleTraining, drawn: _Drawn, options: CycleOptions) -> Tensor:
    losses = []
    for discriminator, _, (real, shows, fake, meant) in drawn.sides(training):
        seen = torch.cat([_seen(x, training, options) for x in (real, fake)])
        on_real, on_fake = discriminator(seen, torch.cat([shows, meant])).chunk(2)
        losses.append(relativistic_loss(on_fake, on_real))
    return torch.stack(losses).sum()


def _semantic(classifier: Model, drawn: _Drawn) -> Tensor:
    """Cross-entropy of what a classifier sees in translations, both ways, against what they are to show."""
    there, back = classifier(drawn.fake_b), classifier(drawn.fake_a)
    return F.cross_entropy(there, drawn.shows_a) + F.cross_entropy(back, drawn.shows_b)


def state_of(training: CycleTraining) -> dict[str, Tensor]:
    """All that a training depends on from here on, as named tensors in main memory."""
    tensors = {"step": torch.tensor(training.step), "rng": training.rng.get_state()}
    for name in NETWORKS:
        tensors |= _named(name, getattr(training, name))
    tensors |= {f"{name}.{part}": getattr(getattr(training, name), part) for name in POOLS for part in POOLED}
    return {name: value.cpu() for name, value in (tensors | optimiser_tensors(training.optimisers)).items()}


def restore(training: CycleTraining, tensors: Mapping[str, Tensor]) -> None:
    """Put a training, begun with the same shape and options, into the state that `state_of` gave.

    Raises:
        KeyError, RuntimeError: the tensors are not those of such a training.
    """
    for name in NETWORKS:
        getattr(training, name).load_state_dict(under(tensors, name))
    for name in POOLS:
        for part in POOLED:
            setattr(getattr(training, name), part, tensors[f"{name}.{part}"].clone().to(training.device))
    restore_optimisers(training.optimisers, tensors)
    training.rng.set_state(tensors["rng"])
    training.step = int(tensors["step"])


def networks_of(training: CycleTraining) -> dict[str, Tensor]:
    """What a finished training is for: the averaged generators and both discriminators, by name."""
    tensors = _named("a_to_b", training.averaged_a_to_b) | _named("b_to_a", training.averaged_b_to_a)
    tensors |= _named("discriminator_a", training.discriminator_a)
    tensors |= _named("discriminator_b", training.discriminator_b)
    return {name: value.cpu() for name, value in tensors.items()}


def _named(name: str, network: nn.Module) -> dict[str, Tensor]:
    return {f"{name}.{key}": value for key, value in network.state_dict().items()}
