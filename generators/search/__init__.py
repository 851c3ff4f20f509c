"""Proposes candidates: one file a search, which exports a function of its own name with the signature of `Search`.

`latent_walk`, `perturb` and `interpolate` look for hard samples. `repeat`, `shift`, `mixup` and `random_latent` do not
look at the model at all: they make the control arms that hard samples have to beat.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

from data.modalities import image
from data.records import Batch, Candidates
from generators.balls import Norm
from generators.margins import Model, margins_of

Sides = Literal["both", "right", "wrong"]
"""Of the decision boundary: where the model is right (margins above 0), where it errs, or both."""


@dataclass(frozen=True)
class SearchOptions:
    """How candidates are proposed; every search takes these and uses those that concern it."""

    mix: dict[str, float] = field(default_factory=lambda: {"latent_walk": 0.5, "perturb": 0.3, "interpolate": 0.2})
    """Search -> its share of the candidates; the shares sum to 1."""
    steps: int = 40
    """Gradient steps at most."""
    step_size: float = 0.2
    """The longest step in latent space, as a share of the latent's own length."""
    restarts: int = 3
    """Latents that a latent search tries for a candidate before it gives up."""
    band: float = 1.0
    """Margins looked for: from -band to band, in logits."""
    sides: Sides = "both"
    """Which half of the band is aimed at: both, right (the model still gives the label), wrong (it errs)."""
    realism: float = 0.0
    """Floor of `latent_walk`: as realistic as this share of training samples, to the discriminator; 0 for none."""
    attack: str = "pgd"
    """What `perturb` attacks with: a file of generators/attacks."""
    norm: Norm = "linf"
    """Of that attack."""
    epsilon: float = 0.25
    """Radius that it may use, in input units."""

    def __post_init__(self) -> None:
        if not self.mix or min(self.mix.values()) < 0 or not abs(sum(self.mix.values()) - 1) < 1e-6:
            raise ValueError(f"search.mix must be shares >= 0 that sum to 1, got {dict(self.mix)}")
        for name in ("steps", "restarts"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"search.{name} must be >= 1, got {getattr(self, name)}")
        if self.sides not in get_args(Sides):
            raise ValueError(f"search.sides must be one of {', '.join(get_args(Sides))}, got {self.sides}")
        if not 0 <= self.realism < 1:
            raise ValueError(f"search.realism must lie in [0, 1), got {self.realism}")
        for name in ("step_size", "band", "epsilon"):
            if not getattr(self, name) > 0:
                raise ValueError(f"search.{name} must be > 0, got {getattr(self, name)}")


@dataclass(frozen=True)
class Scene:
    """What a search may draw on."""

    model: Model
    """The model under attack."""
    generator: Callable[[Tensor, Tensor], Tensor]
    """z, float (N, Z), and labels, int64 (N,) -> images, float (N, C, H, W) in [0, 1]."""
    latent: int
    """Z."""
    real: Batch
    """Training samples."""
    discriminator: Callable[[Tensor, Tensor], Tensor] | None = None
    """Images, float (N, C, H, W) in [0, 1], and labels, int64 (N,) -> realism, float (N,)."""

    def realism_of(self, x: Tensor, y: Tensor) -> Tensor:
        """What the discriminator says of images, float (N, C, H, W), with labels, int64 (N,): float (N,).

        Raises:
            ValueError: there is no discriminator.
        """
        if self.discriminator is None:
            raise ValueError("search.realism needs a discriminator, and none came with the generator")
        return self.discriminator(x, y)

    def realism_floor(self, share: float) -> Tensor:
        """The realism, float (), that this share of the training samples does not reach."""
        return torch.quantile(self._realism_of_real, share)

    @cached_property
    @torch.no_grad()
    def _realism_of_real(self) -> Tensor:
        return self.realism_of(self.real.inputs["image"], self.real.labels)


class Search(Protocol):
    """What every file of this folder exports."""

    def __call__(self, scene: Scene, y: Tensor, options: SearchOptions, rng: torch.Generator) -> Candidates:
        """One candidate for each wanted label, int64 (N,)."""


def propose(
    scene: Scene, search: str, y: Tensor, *, images: Tensor, starts: Tensor, parents: Sequence[tuple[str, ...]]
) -> Candidates:
    """Candidates from what a search found, as a reader will see them: pixels rounded to 8 bits before the margin.

    Args:
        y: intended labels, int64 (N,).
        images, starts: after and before the search, float (N, C, H, W) in [0, 1].
        parents: N tuples of real sample keys.
    """
    images, starts = image.stored(images.clamp(0, 1)), image.stored(starts.clamp(0, 1))
    with torch.no_grad():
        before, after = margins_of(scene.model(starts), y), margins_of(scene.model(images), y)
    keys = tuple(f"{search}-{place}" for place in range(len(y)))
    batch = Batch(keys, {"image": images}, y)
    return Candidates(batch, search, tuple(parents), {"image": starts}, before, after)


def pick_parents(real: Batch, y: Tensor, rng: torch.Generator) -> Tensor:
    """A random real sample of each wanted class: rows of `real`, int64 (N,), for labels int64 (N,).

    Raises:
        ValueError: a wanted class has no real sample.
    """
    return _pick(real.labels[None, :] == y[:, None], y, rng)


def pick_strangers(real: Batch, y: Tensor, rng: torch.Generator) -> Tensor:
    """A random real sample of any other class than the wanted one: rows of `real`, int64 (N,)."""
    return _pick(real.labels[None, :] != y[:, None], y, rng)


def _pick(eligible: Tensor, y: Tensor, rng: torch.Generator) -> Tensor:
    if (empty := ~eligible.any(1)).any():
        raise ValueError(f"no real sample to start from for labels {sorted(set(y[empty].tolist()))}")
    return torch.multinomial(eligible.float(), 1, generator=rng)[:, 0]


def wanted_margins(n: int, band: float, rng: torch.Generator, sides: Sides = "both") -> Tensor:
    """Margins to aim at, float (N,), spread evenly over the inner nine tenths of the band, or of that half of it."""
    wanted = (torch.rand(n, generator=rng) * 2 - 1) * band * 0.9
    return wanted if sides == "both" else wanted.abs() if sides == "right" else -wanted.abs()


def on_side(margins: Tensor, sides: Sides) -> Tensor:
    """Bool (N,): which of float (N,) margins lie on the side asked for."""
    return torch.ones_like(margins, dtype=torch.bool) if sides == "both" else (margins >= 0) == (sides == "right")


def keys_of(real: Batch, *rows: Tensor) -> list[tuple[str, ...]]:
    """Sample keys of the parents at these rows of `real`, each int64 (N,): N tuples."""
    return [tuple(real.keys[i] for i in parents) for parents in zip(*(r.tolist() for r in rows), strict=True)]


def plain_mix(names: Mapping[str, float], total: int) -> dict[str, int]:
    """How many of `total` candidates each search makes: shares rounded by largest remainder, in the mix's order."""
    exact = {name: share * total for name, share in names.items()}
    counts = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in by_remainder[: total - sum(counts.values())]:
        counts[name] += 1
    return counts
