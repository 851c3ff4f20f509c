"""Attacks on texts: uint8 (N, L) -> the same, a few edits away. One file each, which exports a function of its name.

They take what `generators.attacks.Attack` takes and rules besides; `functools.partial(letters, rules=Rules(words))` is
an `Attack`, for `attack_along` and `attack_one` as well. docs/text.md has the rules, and the contract is checked by
tests/contracts/test_text_attacks.py: no more than `ball.epsilon` units away, see each; a row that it broke is wrong in
the result, the others are as near as it came; the model's mode and its parameters' gradients are as they were.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from data.words import Words
from generators.margins import Model
from generators.options import Ball


@dataclass(frozen=True)
class Rules:
    """What an edit must keep to.

    Attributes:
        words: the dictionary.
        checked: an edit is meant to leave the meaning; without, it may be any: to measure what the rules cost.
    """

    words: Words
    checked: bool = True


class TextAttack(Protocol):
    """What every file of this folder exports."""

    def __call__(
        self,
        model: Model,
        x: Tensor,
        y: Tensor,
        ball: Ball,
        rng: torch.Generator,
        y_target: Tensor | None = None,
        *,
        rules: Rules,
    ) -> Tensor:
        """Attack texts, uint8 (N, L) padded with zeros.

        Args:
            model: texts -> logits (N, K); it also takes float (N, L, 256), each byte as weights of all bytes.
            y: labels, int64 (N,), or soft labels, float (N, K), whose likeliest class counts.
            ball: `epsilon` units; at each edit `steps` are tried on a text; `restarts` is the width of the beam.
            rng: all that is drawn.

        Returns:
            x_adv, uint8 (N, L).

        Raises:
            ValueError: x is no uint8 (N, L), or lengths differ.
        """
