"""A pool of earlier images, so that a discriminator does not forget what generators used to make."""

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class ImagePool:
    """Up to `size` earlier images. Shrivastava et al. 2017, arXiv:1612.07828, section 2.3, as CycleGAN uses it."""

    size: int
    images: Tensor = field(default_factory=lambda: torch.empty(0))
    """Float (M, C, H, W), M up to `size`."""

    def exchange(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """Images to show the discriminator, float (N, C, H, W), in the place of new ones like them.

        While the pool is not full every new image is kept and shown; from then on each is, with a chance of one half,
        put into the pool for a random one that was there, which is shown instead.
        """
        if not self.size:
            return x
        room = self.size - len(self.images)
        entering, shown = x[:room], x.clone()
        swapped = (torch.rand(len(x), generator=rng) < 0.5) & (torch.arange(len(x)) >= room)
        rows = swapped.nonzero()[:, 0].to(x.device)
        places = torch.randperm(self.size, generator=rng)[: len(rows)].to(x.device)
        if len(rows) > len(places):  # no more than the whole pool in one exchange
            rows = rows[: len(places)]
        if room:
            self.images = torch.cat([self.images.to(x), entering.detach()])
        if len(rows):
            shown[rows] = self.images[places]
            self.images[places] = x[rows].detach()
        return shown
