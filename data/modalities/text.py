"""Text: bytes of UTF-8, uint8 (L,) padded with zeros, in memory; plain UTF-8 at rest.

The bytes are the text, whole; what a model makes of them is its own affair: `tokens` gives them as numbers by a
tokenizer of the user's.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from data.errors import Damaged
from data.forms import Form
from data.modalities import Content, Fit, Held, Modality, no_unit
from data.refused import Refused

Tokenizer = Callable[[str], Sequence[int]]
"""A text -> the numbers of its tokens, each >= 0."""


def strings(x: Tensor) -> list[str]:
    """The texts of uint8 (N, L)."""
    return [bytes(row).rstrip(b"\0").decode() for row in x.to(torch.uint8).cpu().numpy()]


def tokens(x: Tensor, tokenizer: Tokenizer, length: int, *, padding: int = 0) -> Tensor:
    """Texts, uint8 (N, L), as tokens, int64 (N, length), cut or padded at the end.

    Raises:
        ValueError: the tokenizer gives a negative number.
    """
    found = torch.full((len(x), length), padding, dtype=torch.int64)
    for row, text in enumerate(strings(x)):
        numbers = torch.tensor(list(tokenizer(text))[:length], dtype=torch.int64)
        if (numbers < 0).any():
            raise ValueError(f"a token is a number >= 0, got {numbers.min()} for {text!r}")
        found[row, : len(numbers)] = numbers
    return found


def _take(content: Content, fit: Fit) -> Held:
    padded = isinstance(content, np.ndarray)
    raw, length = bytes(content).rstrip(b"\0") if padded else bytes(content), fit.length or padded * len(content)
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise Refused("not_text", f"no UTF-8 ({error})") from error
    if "\0" in text:
        raise Refused("not_text", "a byte of 0 among its characters")
    if not text.strip():
        raise Refused("empty", "no characters")
    if length:
        raw = raw[:length].decode(errors="ignore").encode()  # no half of a character
        raw = raw.ljust(length, b"\0")
    return Held(np.frombuffer(raw, np.uint8))


def _rest(x: Tensor) -> Tensor:
    if x.dtype != torch.uint8:
        raise ValueError(f"text is uint8, got {x.dtype}")
    return x


def _encode(x: Tensor, form: Form) -> bytes:
    raw = bytes(_rest(x).cpu().numpy()).rstrip(b"\0")
    try:
        return _sound(raw)
    except Damaged as error:
        raise ValueError(str(error)) from error


def _decode(content: bytes, form: Form | None) -> Tensor:
    (length,) = form.shape if form else (len(content),)
    if len(_sound(content)) > length:
        raise Damaged(f"a text of {len(content)} bytes, not at most {length}")
    return torch.frombuffer(bytearray(content.ljust(length, b"\0")), dtype=torch.uint8)


def _sound(raw: bytes) -> bytes:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise Damaged(f"no UTF-8 ({error})") from error
    if not text or "\0" in text:
        raise Damaged("an empty text, or one with a byte of 0 in it")
    return raw


def _check(content: bytes, form: Form, *, quick: bool = False) -> None:
    _decode(content, form)


def _same(values: Tensor) -> Tensor:
    return values


def _moved(after: Tensor, before: Tensor, form: Form) -> Tensor:
    """Characters put in, left out or exchanged at least, float (N,)."""
    pairs = zip(strings(after), strings(before), strict=True)
    return torch.tensor([float(_edits(new, old)) for new, old in pairs])


def _edits(new: str, old: str) -> int:
    """Wagner and Fischer 1974, J. ACM 21, row by row."""
    row = list(range(len(old) + 1))
    for place, character in enumerate(new, 1):
        before, row = row, [place]
        for at, other in enumerate(old, 1):
            row.append(min(before[at] + 1, row[-1] + 1, before[at - 1] + (character != other)))
    return row[-1]


text = Modality(
    extension="txt",
    kind="|u1",
    unit="characters",
    low=0,
    high=255,
    take=_take,
    floats=_same,
    rest=_rest,
    encode=_encode,
    decode=_decode,
    check=_check,
    unit_of=no_unit,
    moved=_moved,
)
