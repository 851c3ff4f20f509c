"""Exchanges letters, leaves them out or puts them in, led by the gradient at the bytes: HotFlip, arXiv:1712.06751."""

from functools import partial

import torch
from torch import Tensor

from generators.margins import Model
from generators.options import Ball
from generators.rewriting import rewrite, written
from generators.spelling import Written, edited, letter_gains, padded, spots_of
from generators.text_attacks import Rules

SHORTEST, EDGE = 4, 1
"""Of a word that is touched: letters at least, and those at both its ends that stay, by which people read it on (Pruthi
et al. 2019, arXiv:1905.11268)."""
SHARE = 0.25
"""Of a text's words that are touched at most, though one always may be."""


def letters(
    model: Model,
    x: Tensor,
    y: Tensor,
    ball: Ball,
    rng: torch.Generator,
    y_target: Tensor | None = None,
    *,
    rules: Rules,
) -> Tensor:
    """Uint8 (N, L), at most `ball.epsilon` characters put in, left out or exchanged, see `TextAttack`; draws nothing.

    With `checked` they are letters inside words of four and more, one in each word and in a quarter of the words at
    most, and none becomes another word of the dictionary; without, any letters of any words.
    """
    return rewrite(model, x, y, ball, y_target, partial(propose, rules=rules), written(x))


def propose(
    texts: list[Written],
    gradient: Tensor,
    most: int,
    *,
    rules: Rules,
    rng: torch.Generator | None = None,
) -> list[list[Written]]:
    """The edits of one letter that raise the loss most, to first order, or any by `rng`; see `Propose`.

    The gradient is float (N, L, 256).
    """
    length = gradient.shape[1]
    free = [text if not rules.checked or _may(text) else Written(b"") for text in texts]
    spots = spots_of(free, length, *((SHORTEST, EDGE, 1) if rules.checked else (1, 0, 0)))
    gains = letter_gains(padded([text.raw for text in texts], length), gradient, spots).flatten(1)
    gains = gains if rng is None else gains.where(gains.isinf(), torch.rand(gains.shape, generator=rng))
    best = gains.topk(min(4 * most + 8, gains.shape[1]), dim=1)
    return [
        _made(text, [at for at, gain in zip(places, of, strict=True) if gain > -torch.inf], most, rules)
        for text, places, of in zip(texts, best.indices.tolist(), best.values.tolist(), strict=True)
    ]


def _may(text: Written) -> bool:
    return len(text.touched) < max(1, int(SHARE * len(text.spans())))


def _made(text: Written, edits: list[int], most: int, rules: Rules) -> list[Written]:
    spans, found = text.spans(), dict[bytes, Written]()
    for edit in edits:
        place, kind = divmod(edit, 53)
        number = next(at for at, (first, last) in enumerate(spans) if first <= place <= last)
        new = edited(text, number, place, kind, spans[number])
        if new.raw.strip() and not (rules.checked and rules.words.knows(_word(new, number))):
            found.setdefault(new.raw, new)
        if len(found) == most:
            break
    return list(found.values())


def _word(text: Written, number: int) -> str:
    return text.raw[slice(*text.spans()[number])].decode()
