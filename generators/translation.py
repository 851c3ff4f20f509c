"""A finished translation between two domains."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from generators.translators import CycleShape, DomainDiscriminator, Translator
from generators.underway import under


@dataclass(frozen=True)
class Translation:
    """Both directions between two domains, and who tells each domain's images from translations.

    Attributes:
        a_to_b, b_to_a: images, float (N, C, H, W) in [0, 1], and noise, float (N, Z) -> images of the other domain.
        discriminator_a, discriminator_b: images and labels, int64 (N,) -> how much they look like the domain's images
            of those classes, float (N,).
        latent: Z.
    """

    a_to_b: Callable[[Tensor, Tensor], Tensor]
    b_to_a: Callable[[Tensor, Tensor], Tensor]
    discriminator_a: Callable[[Tensor, Tensor], Tensor]
    discriminator_b: Callable[[Tensor, Tensor], Tensor]
    latent: int

    @property
    def reversed(self) -> "Translation":
        """The same with the domains' names exchanged."""
        return Translation(self.b_to_a, self.a_to_b, self.discriminator_b, self.discriminator_a, self.latent)

    @torch.no_grad()
    def forth(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """Images of domain a, float (N, C, H, W) in [0, 1], as domain b would have them, by noise drawn from `rng`."""
        return self.a_to_b(x, torch.randn(len(x), self.latent, generator=rng))

    @torch.no_grad()
    def back(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """Images of domain b, float (N, C, H, W) in [0, 1], as domain a would have them; see `forth`."""
        return self.b_to_a(x, torch.randn(len(x), self.latent, generator=rng))


def translation_of(shape: CycleShape, tensors: Mapping[str, Tensor]) -> Translation:
    """A translation by the networks that `cyclegan.networks_of` gave, in eval mode, frozen; the shape must be theirs.

    Raises:
        RuntimeError: the tensors are not those of such networks.
    """
    networks = {
        "a_to_b": Translator(shape),
        "b_to_a": Translator(shape),
        "discriminator_a": DomainDiscriminator(shape),
        "discriminator_b": DomainDiscriminator(shape),
    }
    for name, network in networks.items():
        network.load_state_dict(under(tensors, name))
        network.eval().requires_grad_(False)
    return Translation(**networks, latent=shape.latent)
