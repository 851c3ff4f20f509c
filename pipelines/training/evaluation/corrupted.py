"""Accuracy under common corruptions: by corruption and severity, as MNIST-C and ImageNet-C report it."""

import zlib
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor

import generators.corruptions
from data.plugins import plugin, plugin_names
from generators.corruptions import Corruption
from generators.margins import Model
from generators.severities import SEVERITIES

ROWS = 256
"""Images that are corrupted and judged at once."""


@torch.no_grad()
def right_when_corrupted(model: Model, x: Tensor, y: Tensor, seed: int) -> Mapping[str, Tensor]:
    """Where the model is right on corrupted images; every model sees the same ones, so its flags can be paired.

    Args:
        model: inputs (N, C, H, W) -> logits (N, K).
        x: float (N, C, H, W) in [0, 1].
        y: labels, int64 (N,).
        seed: of all that is drawn; a corruption's own draws follow from its name, whatever others there are.

    Returns:
        Corruption -> bool (5, N), a row a severity.
    """
    return {name: _right(model, x, y, name, seed) for name in plugin_names(generators.corruptions)}


def accuracy_by_corruption(right: Mapping[str, Tensor]) -> dict[str, list[float]]:
    """Corruption -> percent at severities 1 to 5, of bool (N,) a severity, see `right_when_corrupted`."""
    return {name: (100 * flags.double().mean(1)).tolist() for name, flags in right.items()}


def _right(model: Model, x: Tensor, y: Tensor, name: str, seed: int) -> Tensor:
    corrupt = cast("Corruption", plugin(generators.corruptions, name))
    rng = torch.Generator().manual_seed(zlib.crc32(f"{name}-{seed}".encode()))
    parts = range(0, len(x), ROWS)
    rows = [
        torch.cat([model(corrupt(x[i : i + ROWS], severity, rng)).argmax(1) == y[i : i + ROWS] for i in parts])
        for severity in SEVERITIES
    ]
    return torch.stack(rows)
