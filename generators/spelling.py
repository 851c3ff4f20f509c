"""Words in texts of bytes, and what a first-order estimate says of edits of one letter.

HotFlip, Ebrahimi et al. 2018, arXiv:1712.06751, estimates a shift by all that follows. These classifiers pool over
places, so what follows a word is taken here as if it stayed where it is, and a shift counts to the end of its word.
"""

import re
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

BYTES, ALPHABET = 256, 26
WORD = re.compile(rb"(?<![A-Za-z@#&/\x80-\xff])[A-Za-z]+(?![A-Za-z\x80-\xff])")
"""A run of plain letters; no name after @ or #, and none with a letter beyond ASCII beside it."""


@dataclass(frozen=True)
class Written:
    """A text under way.

    Attributes:
        raw: its bytes, without padding.
        touched: the words, by their number in the text, that are changed already.
    """

    raw: bytes
    touched: frozenset[int] = frozenset()

    def spans(self) -> list[tuple[int, int]]:
        """Where each word begins and ends."""
        return [word.span() for word in WORD.finditer(self.raw)]

    def with_word(self, number: int, span: tuple[int, int], new: bytes) -> "Written":
        """The same with another word there."""
        return Written(self.raw[: span[0]] + new + self.raw[span[1] :], self.touched | {number})


def bytes_of(x: Tensor) -> list[bytes]:
    """The texts of uint8 (N, L), without padding."""
    return [bytes(row).rstrip(b"\0") for row in x.cpu().numpy()]


def padded(raws: list[bytes], length: int) -> Tensor:
    """Texts as uint8 (N, length), followed by zeros."""
    flat = bytearray(b"".join(raw.ljust(length, b"\0") for raw in raws))
    return torch.frombuffer(flat, dtype=torch.uint8).view(len(raws), length) if raws else torch.empty(0, length).byte()


def weights_of(x: Tensor) -> Tensor:
    """Each byte as weights of all bytes, 1 on itself: uint8 (N, L) -> float (N, L, 256), which has a gradient."""
    return F.one_hot(x.long(), BYTES).float()


@dataclass(frozen=True)
class Spots:
    """Where letters of N texts of L bytes may change.

    Attributes:
        word: int64 (N, L), the word's number in its text, or -1 where no letter may change.
        inner: bool (N, L): that letter may be exchanged or left out.
        before: bool (N, L): a letter may be put in before it.
        end: int64 (N, L): where its word ends.
    """

    word: Tensor
    inner: Tensor
    before: Tensor
    end: Tensor


def spots_of(texts: list[Written], length: int, shortest: int, edge: int, most: int) -> Spots:
    """Letters that may change.

    Args:
        shortest: letters of a word that may be touched, at least.
        edge: letters at both its ends that stay.
        most: times that one word may be touched at all: 1, or without a limit 0.
    """
    word = torch.full((len(texts), length), -1)
    inner, before = torch.zeros(2, len(texts), length, dtype=torch.bool)
    end = torch.zeros(len(texts), length, dtype=torch.int64)
    for row, text in enumerate(texts):
        for number, (first, last) in enumerate(text.spans()):
            if last - first >= shortest and not (most and number in text.touched):
                word[row, first:last], end[row, first:last] = number, last
                inner[row, first + edge : last - edge] = True
                before[row, first + edge : last - edge + bool(edge)] = len(text.raw) < length
    return Spots(word, inner, before, end)


def letter_gains(x: Tensor, gradient: Tensor, spots: Spots) -> Tensor:
    """How much each edit of one letter raises the loss, to first order: float (N, L, 53), -inf where there is none.

    Of the last axis the first 26 exchange the letter there for one of the alphabet, the 27th leaves it out, the others
    put one in before it; all in the case of the letter that stands there.

    Args:
        x: uint8 (N, L).
        gradient: of the loss at the bytes' weights, float (N, L, 256).
    """
    own = gradient.gather(2, x.long()[..., None])
    letters = gradient.gather(2, alphabet_at(x)) - own
    after, earlier = (_as_if(gradient, x, own, by) for by in (-1, 1))
    out = _between(after, 0, spots.end - 1)
    put = letters + _between(earlier, 1, spots.end)[..., None]
    same = alphabet_at(x) == x.long()[..., None]
    gains = torch.cat([letters.masked_fill(same, -torch.inf), out[..., None], put], 2)
    allowed = torch.cat(
        [spots.inner[..., None].expand(*x.shape, ALPHABET + 1), spots.before[..., None].expand_as(put)], 2
    )
    return gains.masked_fill(~allowed, -torch.inf)


def alphabet_at(x: Tensor) -> Tensor:
    """The 26 letters in the case of the byte at each place: uint8 (N, L) -> int64 (N, L, 26)."""
    small = torch.where((x >= 65) & (x <= 90), 65, 97)
    return small[..., None] + torch.arange(ALPHABET)


def _as_if(gradient: Tensor, x: Tensor, own: Tensor, by: int) -> Tensor:
    """What each place gains by the byte of its neighbour: of the one before (1) or after it (-1), float (N, L)."""
    return (gradient.gather(2, x.roll(by, 1).long()[..., None]) - own)[..., 0]


def _between(values: Tensor, later: int, end: Tensor) -> Tensor:
    """The sum of float (N, L) from each place, or `later` ones after it, to before `end`, int64 (N, L)."""
    sums = F.pad(values.cumsum(1), (1, 0))
    begin = (torch.arange(values.shape[1]) + later).expand_as(end)
    return sums.gather(1, torch.maximum(end, begin).clamp_max(values.shape[1])) - sums.gather(
        1, begin.clamp_max(values.shape[1])
    )


def edited(text: Written, number: int, place: int, kind: int, span: tuple[int, int]) -> Written:
    """The text after the edit of `kind`, 0 to 52 as in `letter_gains`, at a place of its word `number`."""
    own, word, at = text.raw[place], text.raw[slice(*span)], place - span[0]
    base = 65 if 65 <= own <= 90 else 97
    if kind == ALPHABET:
        return text.with_word(number, span, word[:at] + word[at + 1 :])
    letter = bytes([base + kind % (ALPHABET + 1)])
    rest = word[at + 1 :] if kind < ALPHABET else word[at:]
    return text.with_word(number, span, word[:at] + letter + rest)
