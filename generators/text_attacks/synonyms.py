"""Exchanges words for synonyms, led by the gradient at the bytes: HotFlip's words, arXiv:1712.06751."""

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor

from generators.margins import Model
from generators.options import Ball
from generators.rewriting import rewrite, written
from generators.spelling import Written
from generators.text_attacks import Rules

Table = Mapping[str, tuple[str, ...]]
"""A word in small letters -> those that may stand for it."""


def synonyms(
    model: Model,
    x: Tensor,
    y: Tensor,
    ball: Ball,
    rng: torch.Generator,
    y_target: Tensor | None = None,
    *,
    rules: Rules,
) -> Tensor:
    """Uint8 (N, L), at most `ball.epsilon` words exchanged for a synonym each, see `TextAttack`; draws nothing.

    The unit is a word here, whatever its letters. Without `checked` it may be a word of any other sense that it has.
    """
    return rewrite(model, x, y, ball, y_target, partial(propose, table=table_of(rules)), written(x))


def table_of(rules: Rules) -> Table:
    """Which words may stand for which."""
    return rules.words.synonyms if rules.checked else rules.words.related


def propose(
    texts: list[Written], gradient: Tensor, most: int, *, table: Table, rng: torch.Generator | None = None
) -> list[list[Written]]:
    """The exchanges of one word that raise the loss most, to first order, or any by `rng`; see `Propose`.

    The gradient is float (N, L, 256).
    """
    return [_made(text, slopes, most, table, rng) for text, slopes in zip(texts, gradient, strict=True)]


def _made(text: Written, slopes: Tensor, most: int, table: Table, rng: torch.Generator | None) -> list[Written]:
    found = [
        (number, span, new)
        for number, span in enumerate(text.spans())
        if number not in text.touched
        for new in others(text.raw[slice(*span)], table)
        if len(text.raw) + len(new) - (span[1] - span[0]) <= len(slopes)
    ]
    if rng is None:
        gains = torch.tensor([_gain(text.raw, span, new, slopes) for _, span, new in found])
    else:
        gains = torch.rand(len(found), generator=rng)
    order = gains.argsort(descending=True, stable=True)[:most]
    return [text.with_word(*found[at]) for at in order.tolist()]


def others(word: bytes, table: Table) -> list[bytes]:
    """What may stand for a word, in its case."""
    plain = word.decode()
    like = str.upper if plain.isupper() and len(plain) > 1 else str.capitalize if plain[0].isupper() else str
    return [like(other).encode() for other in table.get(plain.lower(), ())]


def _gain(raw: bytes, span: tuple[int, int], new: bytes, slopes: Tensor) -> float:
    """Of the places that both words have; what is longer is not seen, nor is what follows moved."""
    both = min(len(new), span[1] - span[0])
    places = torch.arange(span[0], span[0] + both)
    after, before = (torch.tensor(list(word[:both])) for word in (new, raw[slice(*span)]))
    return float((slopes[places, after] - slopes[places, before]).sum())
