"""A pool of earlier images, so that a discriminator does not forget what generators used to make."""

from dataclasses import dataclass, field

import torch
from torch import Tensor


def _nothing() -> Tensor:
    return torch.empty(0)


@dataclass
class ImagePool:
    """Up to `size` earlier images. Shrivastava et al. 2017, arXiv:1612.07828, section 2.3, as CycleGAN uses it."""

    size: int
    images: Tensor = field(default_factory=_nothing)
    """Float (M, C, H, W), M up to `size`."""
    shows: Tensor = field(default_factory=_nothing)
    """What each is said to show, float (M, K)."""

    def exchange(self, x: Tensor, y: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Images to show the discriminator in the place of new ones, float (N, C, H, W), with what they show, (N, K).

        While the pool is not full every new image is kept and shown; from then on each is, with a chance of one half,
        put into the pool for a random one that was there, which is shown instead.
        """
        if not self.size:
            return x, y
        room = self.size - len(self.images)
        if room:
            held = (self.images.to(x), self.shows.to(y)) if len(self.images) else (x[:0], y[:0])
            self.images, self.shows = torch.cat([held[0], x[:room]]), torch.cat([held[1], y[:room]])
        swapped = (torch.rand(len(x), generator=rng) < 0.5) & (torch.arange(len(x)) >= room)
        places = torch.randperm(self.size, generator=rng)[: int(swapped.sum())].to(x.device)
        rows = swapped.nonzero()[: len(places), 0].to(x.device)  # no more than the whole pool at once
        return self._swap("images", x, rows, places), self._swap("shows", y, rows, places)

    def _swap(self, name: str, new: Tensor, rows: Tensor, places: Tensor) -> Tensor:
        shown, held = new.clone(), getattr(self, name).clone()
        if len(rows):
            shown[rows], held[places] = held[places], new[rows]
        setattr(self, name, held)
        return shown
