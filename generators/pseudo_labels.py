"""Labels that models give to samples without any."""

import numpy as np
import torch
from scipy.sparse import csr_array, diags_array
from sklearn.neighbors import kneighbors_graph
from torch import Tensor

EVENING, SPREADING = 100, 60
"""Rounds of rescaling: on a thousand samples shares are then within 1e-3 of those wanted; and of passing labels on."""


def evened(probabilities: Tensor, strength: float) -> Tensor:
    """Probabilities rescaled so that the classes' shares move towards even ones.

    By Sinkhorn's iteration: columns and rows are scaled in turn, so that the sample most like a rare class is the first
    to go to it. Models that doubt a whole class, as they do of another domain, name it too rarely.

    Args:
        probabilities: float (N, K), rows summing to 1.
        strength: 0 leaves the shares as they are, 1 makes them equal.

    Returns:
        Float (N, K), rows summing to 1.
    """
    wanted = torch.lerp(probabilities.mean(0), torch.full_like(probabilities[0], 1 / probabilities.shape[1]), strength)
    found = probabilities.clamp_min(1e-8)
    for _ in range(EVENING):
        found = found * (wanted / found.mean(0))
        found = found / found.sum(1, keepdim=True)
    return found


def sharpened(probabilities: Tensor, power: float) -> Tensor:
    """Probabilities, float (N, K), raised to a power and scaled to sum to 1 again: above 1 the first choice gains."""
    return (probabilities.clamp_min(1e-8).log() * power).softmax(1)


def spread(x: Tensor, probabilities: Tensor, neighbours: int, weight: float) -> Tensor:
    """Probabilities passed on among samples that are like each other, so that one who errs is outvoted by its like.

    Models of another domain err on single samples of a class more than on all of a kind, and samples of a kind are
    near each other. Label spreading, Zhou et al. 2003, NIPS 16, from opinions instead of a few known labels.

    Args:
        x: samples, float (N, ...); two are as near as their L2 distance.
        probabilities: float (N, K), rows summing to 1.
        neighbours: each sample is tied to so many nearest, and to those that it is among the nearest of; all of them
            where there are fewer.
        weight: in [0, 1[, of what the neighbours say; the rest is the sample's own.

    Returns:
        Float (N, K), rows summing to 1.
    """
    reach = min(neighbours, len(x) - 1)
    if not weight or reach < 1:
        return probabilities
    ties = _ties(x.flatten(1).numpy(), reach)
    own = probabilities.double().numpy()
    found = own
    for _ in range(SPREADING):
        found = weight * (ties @ found) + (1 - weight) * own
    return torch.from_numpy(found / found.sum(1, keepdims=True)).to(probabilities)


def _ties(x: np.ndarray, neighbours: int) -> csr_array:
    """Symmetric ties between near samples, (N, N), normalised by both ends' sums: the nearer, the stronger."""
    graph = csr_array(kneighbors_graph(x, neighbours, mode="distance"))
    graph.sort_indices()
    farthest = np.maximum(graph.max(1).toarray().ravel(), 1e-12)
    graph.data = np.exp(-((graph.data / np.repeat(farthest, neighbours)) ** 2))
    graph = graph.maximum(graph.T)
    scale = diags_array(1 / np.sqrt(graph.sum(1)))
    return csr_array(scale @ graph @ scale)
