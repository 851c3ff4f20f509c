"""How well generated samples cover the real ones: improved precision and recall, Kynkäänniemi et al. 2019.

arXiv:1904.06991. Features are whatever the caller measures distances in.
"""

import torch
from torch import Tensor


def precision_recall(real: Tensor, generated: Tensor, *, neighbours: int = 3) -> tuple[float, float]:
    """Precision: the share of generated samples within the real manifold; recall: the other way round.

    A manifold is the union of balls around its samples, each as wide as the distance to the k-th nearest other sample
    (equation 2 of the paper). Figures depend on the sample sizes: compare only equal ones.

    Args:
        real, generated: features, float (N, D) and (M, D).
        neighbours: k.

    Raises:
        ValueError: one of the sets has no more than k samples.
    """
    if min(len(real), len(generated)) <= neighbours:
        raise ValueError(f"more than {neighbours} samples are needed, got {len(real)} and {len(generated)}")
    return _covered(generated, real, neighbours), _covered(real, generated, neighbours)


def _covered(samples: Tensor, manifold: Tensor, neighbours: int) -> float:
    within = torch.cdist(manifold, manifold).kthvalue(neighbours + 1, dim=1).values
    return (torch.cdist(samples, manifold) <= within).any(1).float().mean().item()
