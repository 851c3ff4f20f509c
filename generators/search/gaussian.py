"""Control: a Gaussian of each class's real samples, the plainest generator there is.

Even such a generator helps robust training: Gowal et al. 2021, arXiv:2110.09468.
"""

import torch
from torch import Tensor

from data.records import Batch, Candidates
from generators.options import SearchOptions
from generators.search import Scene, propose

SHRINKAGE = 0.5
"""Share of the covariance that comes from all classes: a class of a few samples spans too few directions of its own."""


def gaussian(scene: Scene, y: Tensor, options: SearchOptions, rng: torch.Generator) -> Candidates:
    """One sample for each label, int64 (N,), of its class's mean and shrunk covariance, clipped to [0, 1].

    The covariance is shrunk towards the mean of all classes', as in regularised discriminant analysis (Friedman 1989,
    JASA 84:165). It is never formed: weighted sums of deviations from the mean have it, whatever the images' size.

    Raises:
        ValueError: a wanted class has no real sample.
    """
    _must_be_seen(scene.real, y)
    flat = scene.real.inputs["image"].flatten(1)
    deviations = flat.clone()
    images = flat.new_zeros(len(y), flat.shape[1])
    for label in sorted(set(scene.real.labels.tolist())):
        rows, mine = scene.real.labels == label, y == label
        mean = flat[rows].mean(0)
        deviations[rows] -= mean
        images[mine] = mean + (1 - SHRINKAGE) ** 0.5 * _drawn(deviations[rows], int(mine.sum()), rng)
    images = (images + SHRINKAGE**0.5 * _drawn(deviations, len(y), rng)).clamp(0, 1)
    shaped = images.view(-1, *scene.real.inputs["image"].shape[1:])
    return propose(scene, "gaussian", y, images=shaped, starts=shaped, parents=[()] * len(y))


def _drawn(deviations: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """Rows, float (count, D), from the Gaussian around 0 whose covariance that of float (M, D) is."""
    weights = torch.randn(count, len(deviations), generator=rng)
    drawn: Tensor = weights @ deviations / len(deviations) ** 0.5
    return drawn


def _must_be_seen(real: Batch, y: Tensor) -> None:
    if missing := set(y.tolist()) - set(real.labels.tolist()):
        raise ValueError(f"no real sample to start from for labels {sorted(missing)}")
