"""Edits letters at random by the rules of `letters`, without asking the model: what an attack has to beat."""

from functools import partial

import torch
from torch import Tensor

from generators.margins import Model
from generators.options import Ball
from generators.rewriting import drawn
from generators.text_attacks import Rules, letters


def random_letters(
    model: Model,
    x: Tensor,
    y: Tensor,
    ball: Ball,
    rng: torch.Generator,
    y_target: Tensor | None = None,
    *,
    rules: Rules,
) -> Tensor:
    """Uint8 (N, L) after `ball.epsilon` edits, or what the rules allow, see `TextAttack`; never asks the model."""
    propose = partial(letters.propose, rules=rules, rng=rng)
    return drawn(x, int(ball.epsilon), propose)
