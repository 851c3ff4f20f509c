"""Exchanges words for synonyms at random by the rules of `synonyms`, without asking the model: its control."""

from functools import partial

import torch
from torch import Tensor

from generators.margins import Model
from generators.options import Ball
from generators.rewriting import drawn
from generators.text_attacks import Rules, synonyms


def random_synonyms(
    model: Model,
    x: Tensor,
    y: Tensor,
    ball: Ball,
    rng: torch.Generator,
    y_target: Tensor | None = None,
    *,
    rules: Rules,
) -> Tensor:
    """Uint8 (N, L), `ball.epsilon` words exchanged, or as many as can be, see `TextAttack`; never asks the model."""
    propose = partial(synonyms.propose, table=synonyms.table_of(rules), rng=rng)
    return drawn(x, int(ball.epsilon), propose)
