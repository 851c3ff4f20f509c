"""Proposes candidates: one file a search, which exports a function of its own name with the signature of `Search`.

`latent_walk`, `latent_square`, `perturb` and `interpolate` look for hard samples, and `pixel_interpolate` as a control
of the last; `warps` tries several ways to turn and move a real sample; `mine` picks real ones; `unlabelled` takes those
whose label nobody told; `translate` takes real ones to another domain. `repeat`, `shift`, `mixup`, `gaussian` and
`random_latent` do not look at the model: they make the control arms that those have to beat.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from data.modalities import image
from data.records import Batch, Candidates, Unlabelled
from generators.checks import joint_opinion
from generators.hardness import unseen_probabilities
from generators.inversion import Encoder, EncoderShape, fit_encoder, invert
from generators.margins import Model, margins_of
from generators.options import SearchOptions, Sides
from generators.translation import Translation


@dataclass(frozen=True)
class Scene:
    """What a search may draw on."""

    model: Model
    """The model under attack."""
    generator: Callable[[Tensor, Tensor], Tensor]
    """z, float (N, Z), and labels, int64 (N,), or mixed, float (N, K) -> images, float (N, C, H, W) in [0, 1]."""
    latent: int
    """Z."""
    real: Batch
    """Training samples."""
    discriminator: Callable[[Tensor, Tensor], Tensor] | None = None
    """Images, float (N, C, H, W) in [0, 1], and labels, int64 (N,) -> realism, float (N,)."""
    judges: Sequence[Model] = ()
    """Judge k has not trained on training samples k, k + J, k + 2 J ..., where J is their number."""
    translation: Translation | None = None
    """From the domain of the real samples, a, to the one that the model is to work in, b."""
    unlabelled: Unlabelled | None = None
    """Training samples beside the real ones, whose labels nobody told."""

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
    def unseen(self) -> Tensor:
        """Float (M, N, K): what models that did not train on them say of the training samples."""
        return unseen_probabilities(self.real, self.judges)

    @cached_property
    def classes(self) -> int:
        """K, of the model's logits."""
        with torch.no_grad():
            return self.model(self.real.inputs["image"][:1]).shape[1]

    def latents_of(self, rows: Tensor, steps: int) -> Tensor:
        """Latents, float (N, Z), at which the generator draws these rows, int64 (N,), of the training samples.

        Each sample is inverted once; see `generators.inversion`.
        """
        todo = torch.tensor(sorted(set(rows.tolist())))
        todo = todo[self._inverted[todo].isnan().any(1)]
        if len(todo):
            x, y = self.real.inputs["image"][todo], self.real.labels[todo]
            start = self._encoder(x, y).detach()
            self._inverted[todo] = invert(self.generator, x, y, start, steps)
        return self._inverted[rows]

    @torch.no_grad()
    def pseudo_labels_of(self, rows: Tensor) -> Tensor:
        """What the judges take these rows, int64 (N,), of the unlabelled samples for: int64 (N,); each is asked once.

        Raises:
            ValueError: there are no unlabelled samples, or no judges.
        """
        if self.unlabelled is None or not self.judges:
            raise ValueError("pseudo-labels take unlabelled samples and judges, and the scene lacks one of them")
        if len(todo := rows[self._pseudo_labels[rows] < 0]):
            x = self.unlabelled.read(todo)
            opinions = torch.stack([judge(x).softmax(1) for judge in self.judges])
            self._pseudo_labels[todo] = joint_opinion(opinions).argmax(1)
        return self._pseudo_labels[rows]

    @cached_property
    def _pseudo_labels(self) -> Tensor:
        return torch.full((len(self.unlabelled or ()),), -1)

    @cached_property
    def _inverted(self) -> Tensor:
        return torch.full((len(self.real), self.latent), torch.nan)

    @cached_property
    def _encoder(self) -> Encoder:
        x = self.real.inputs["image"]
        return fit_encoder(self.generator, EncoderShape(x[0].numel(), self.classes, self.latent))

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


def translated(scene: Scene, x: Tensor, rng: torch.Generator) -> Tensor:
    """Real samples, float (N, C, H, W) in [0, 1], as the other domain would have them.

    Raises:
        ValueError: the scene has no translation.
    """
    if scene.translation is None:
        raise ValueError("there is no other domain to translate to: only `hardshard adapt` learns a translation")
    return scene.translation.forth(x, rng)


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
