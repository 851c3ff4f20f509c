"""A search through texts, edit by edit: what a gradient promises is tried by a forward pass, the best are followed.

HotFlip's beam search, Ebrahimi et al. 2018, arXiv:1712.06751.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from generators.aims import Aim, climbed
from generators.margins import Model, margins_of
from generators.options import Ball
from generators.spelling import BYTES, Written, bytes_of, padded, weights_of

Propose = Callable[[list[Written], Tensor, int], list[list[Written]]]
"""Texts, the loss's gradient at their bytes' weights, float (N, L, 256), and how many -> for each that many edits or
fewer, the most promising first. Each is one unit of the ball away."""
AT_ONCE = 256
"""Texts whose gradients are held at once: 128 bytes of each are 34 MB."""


@dataclass(frozen=True)
class _Try:
    """A text on the way: of which row, whether the model errs on it, and how far it leads."""

    row: int
    text: Written
    errs: bool
    lead: float


def rewrite(
    model: Model, x: Tensor, y: Tensor, ball: Ball, y_target: Tensor | None, propose: Propose, starts: Sequence[Written]
) -> Tensor:
    """Edit texts one by one until the model errs on them or the ball is spent.

    Args:
        model: takes uint8 (N, L), and as weights of the bytes float (N, L, 256).
        x: uint8 (N, L), padded with zeros.
        y, y_target: as of `generators.attacks.Attack`.
        ball: `epsilon` edits; at each, `steps` are tried on each text; `restarts` texts are followed side by side (the
            beam); `step_size`, `norm` and `random_start` mean nothing here.
        propose: what edits there are.
        starts: the texts of x.

    Returns:
        For each row the first text on which the model errs, or else the one that came nearest, uint8 (N, L).
    """
    parts = torch.split(torch.arange(len(x)), AT_ONCE)
    whole = _aim(x, y, y_target)
    found = [
        _rewritten(model, whole.rows(rows), ball, propose, [starts[row] for row in rows.tolist()], x.shape[1])
        for rows in parts
    ]
    return torch.cat(found) if found else x.clone()


def _aim(x: Tensor, y: Tensor, y_target: Tensor | None) -> Aim:
    if x.dtype != torch.uint8 or x.ndim != 2:
        raise ValueError(f"texts are uint8 (N, L), got {x.dtype} {tuple(x.shape)}")
    if len(y) != len(x) or (y_target is not None and len(y_target) != len(x)):
        raise ValueError(f"{len(x)} texts, {len(y)} labels, {len(x if y_target is None else y_target)} targets")
    return Aim(y.argmax(1) if y.is_floating_point() else y, None, y_target)


def _rewritten(model: Model, aim: Aim, ball: Ball, propose: Propose, texts: list[Written], length: int) -> Tensor:
    best = _asked(model, aim, list(enumerate(texts)), length)
    beam = [one for one in best if not one.errs]
    for _ in range(int(ball.epsilon)):
        if not beam:
            break
        tried = _tried(model, aim, beam, propose, ball.steps, length)
        for one in tried:
            best[one.row] = max(best[one.row], one, key=lambda seen: (seen.errs, seen.lead))
        beam = _followed([one for one in tried if not best[one.row].errs], ball.restarts)
    return padded([one.text.raw for one in best], length)


def _tried(model: Model, aim: Aim, beam: list[_Try], propose: Propose, most: int, length: int) -> list[_Try]:
    """What can be made of the texts of the beam."""
    rows = torch.tensor([one.row for one in beam])
    weights = weights_of(padded([one.text.raw for one in beam], length))
    _, _, gradient = climbed(model, weights, aim.rows(rows), lead)
    offered = propose([one.text for one in beam], gradient, most)
    pairs = [(one.row, text) for one, texts in zip(beam, offered, strict=True) for text in texts]
    return _asked(model, aim, pairs, length)


@torch.no_grad()
def _asked(model: Model, aim: Aim, pairs: Sequence[tuple[int, Written]], length: int) -> list[_Try]:
    """Rows and texts of them, with what the model says of each."""
    found = list[_Try]()
    for first in range(0, len(pairs), 4 * AT_ONCE):
        some = pairs[first : first + 4 * AT_ONCE]
        mine = aim.rows(torch.tensor([row for row, _ in some]))
        logits = mine.asked(model)(padded([text.raw for _, text in some], length))
        told = zip(some, mine.errs(logits).tolist(), lead(logits, mine).tolist(), strict=True)
        found += [_Try(row, text, errs, far) for (row, text), errs, far in told]
    return found


def _followed(tried: list[_Try], width: int) -> list[_Try]:
    """The `width` different texts of each row that lead furthest."""
    by_row: dict[int, dict[bytes, _Try]] = {}
    for one in tried:
        by_row.setdefault(one.row, {}).setdefault(one.text.raw, one)
    return [one for row in sorted(by_row) for one in sorted(by_row[row].values(), key=lambda seen: -seen.lead)[:width]]


def lead(logits: Tensor, aim: Aim) -> Tensor:
    """How far the wanted class lies before the label's, in logits, float (N,); any other class without a target."""
    if aim.y_target is None:
        return -margins_of(logits, aim.y)
    return (logits.gather(1, aim.y_target[:, None]) - logits.gather(1, aim.y[:, None]))[:, 0]


def written(x: Tensor) -> list[Written]:
    """The texts of uint8 (N, L), untouched."""
    return [Written(raw) for raw in bytes_of(x)]


def drawn(x: Tensor, count: int, propose: Propose) -> Tensor:
    """Texts, uint8 (N, L), after `count` edits each, such as are proposed where no gradient says anything."""
    texts, length = written(x), x.shape[1]
    for at in range(0, len(texts), AT_ONCE):
        some = texts[at : at + AT_ONCE]
        for _ in range(count):
            offered = propose(some, torch.zeros(len(some), length, BYTES), 1)
            some = [found[0] if found else text for text, found in zip(some, offered, strict=True)]
        texts[at : at + AT_ONCE] = some
    return padded([text.raw for text in texts], length)
