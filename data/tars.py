"""Tar files by hand: packed at the speed of memory, and read so that nothing odd passes.

Our tars are plain POSIX ustar (IEEE Std 1003.1, pax, "ustar Interchange Format"): regular files of mode 0444, with
uid, gid and mtime 0 and no user names, so that a member's header follows from its name and size alone. Python's
tarfile writes and reads some 25 thousand members a second; these functions several hundred thousand.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from data.errors import Damaged

BLOCK = 512
RECORD = 20 * BLOCK
"""A tar's length is a multiple of this."""
_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_]+)+")
_BEFORE_SIZE = b"0000444\0" + b"0000000\0" * 2
_AFTER_SIZE = b"\0" + b"00000000000\0"
_AFTER_SUM = b"\0 0" + bytes(100) + b"ustar\x0000" + bytes(247)
_SUM = sum(_BEFORE_SIZE) + sum(_AFTER_SIZE) + sum(_AFTER_SUM) + 7 * ord(" ")
_PADDING = [bytes(-size % BLOCK) for size in range(BLOCK)]


Sample = tuple[str, Mapping[str, bytes]]
"""A sample at rest: its key, and extension -> content."""


class Member(NamedTuple):
    """A file within a tar: its name, where its content begins, and how many bytes it has."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True)
class Packed:
    """A finished tar and where everything lies in it, in the order of the file.

    Attributes:
        content: the whole file.
        starts: where each sample begins, with its first header; last, where the samples end.
        names, offsets, sizes: of each member; offsets of its content.
    """

    content: bytes
    starts: Sequence[int]
    names: Sequence[str]
    offsets: Sequence[int]
    sizes: Sequence[int]


def header(name: bytes, size: int) -> bytes:
    """The 512 bytes before a member's content; `name` of at most 100 bytes, `size` below 8 GiB."""
    fields, total = _size_fields(size)
    return b"%b%b%06o%b" % (name.ljust(100, b"\0"), fields, total + sum(name), _AFTER_SUM)


@lru_cache(maxsize=2**16)
def _size_fields(size: int) -> tuple[bytes, int]:
    """The header's bytes from the mode to the checksum, and the sum of all its bytes but those of the name."""
    digits = b"%011o" % size
    return _BEFORE_SIZE + digits + _AFTER_SIZE, _SUM + sum(digits)


def pack(samples: Iterable[Sample]) -> Packed:
    """The tar of (key, extension -> content), members of a sample side by side, sorted by extension."""
    parts: list[bytes] = []
    starts, names, offsets, sizes, place = [0], [], [], [], 0
    for key, members in samples:
        for extension, content in sorted(members.items()):
            name, size = f"{key}.{extension}", len(content)
            parts += (header(name.encode("ascii"), size), content, _PADDING[size % BLOCK])
            names.append(name)
            offsets.append(place + BLOCK)
            sizes.append(size)
            place += BLOCK + size + -size % BLOCK
        starts.append(place)
    return Packed(b"".join([*parts, _end(place)]), starts, names, offsets, sizes)


def join(blocks: Iterable[bytes]) -> Packed:
    """The tar of samples that `pack` packed before, each block one sample, in this order.

    Raises:
        Damaged: a block is not what `pack` makes.
    """
    parts, starts, members, place = [], [0], [], 0
    for block in blocks:
        parts.append(block)
        members += [Member(name, place + offset, size) for name, offset, size in members_of(block)]
        place += len(block)
        starts.append(place)
    content = b"".join([*parts, _end(place)])
    return Packed(content, starts, [m.name for m in members], [m.offset for m in members], [m.size for m in members])


def unpack(content: bytes) -> Packed:
    """A whole tar of ours as `pack` gave it.

    Raises:
        Damaged: see `contents`.
    """
    members = contents(content)
    keys = [member.name.partition(".")[0] for member in members]
    starts = [m.offset - BLOCK for m, key, before in zip(members, keys, ["", *keys], strict=False) if key != before]
    end = _after(members[-1]) if members else 0
    names, offsets, sizes = [m.name for m in members], [m.offset for m in members], [m.size for m in members]
    return Packed(content, [*starts, end], names, offsets, sizes)


def salvage(tar: bytes) -> Iterator[tuple[Member, bytes]]:
    """Every member that a damaged tar still holds whole as far as can be seen, wherever it lies."""
    for place in range(0, len(tar) - BLOCK + 1, BLOCK):
        if tar[place + 257 : place + 262] == b"ustar":
            with suppress(Damaged):
                member = _member_at(tar, place)
                yield member, tar[member.offset : member.offset + member.size]


def _end(place: int) -> bytes:
    return bytes(2 * BLOCK + -(place + 2 * BLOCK) % RECORD)


def floor(sizes: Iterable[int]) -> int:
    """The fewest bytes that a tar of members of these sizes can have."""
    used = sum(BLOCK + size + -size % BLOCK for size in sizes) + 2 * BLOCK
    return used + -used % RECORD


def members_of(blocks: bytes | memoryview) -> Iterator[Member]:
    """The members of packed samples, each header compared byte by byte with the one it should be.

    Raises:
        Damaged: a header differs from what `header` makes, or the content ends before its member does.
    """
    place = 0
    while place < len(blocks):
        member = _member_at(blocks, place)
        yield member
        place = _after(member)


def contents(tar: bytes | memoryview) -> list[Member]:
    """The members of a whole tar of ours.

    Raises:
        Damaged: it is cut, padded otherwise, or holds anything but plain members; the message names the byte.
    """
    if (found := _contents_at_once(tar)) is not None:
        return found
    found, place = [], 0
    while tar[place : place + 1] != b"\0":
        found.append(_member_at(tar, place))
        place = _after(found[-1])
    if bytes(tar[place : place + 2 * RECORD]) != _end(place):
        raise Damaged(f"no proper end after byte {place}: cut or padded")
    return found


def _contents_at_once(tar: bytes | memoryview) -> list[Member] | None:
    """What `contents` finds, by arithmetic on all blocks together; None where anything is out of the ordinary."""
    if len(tar) % BLOCK or len(tar) < 2 * BLOCK:
        return None
    blocks = np.frombuffer(tar, np.uint8).reshape(-1, BLOCK)
    (places,) = np.nonzero((blocks[:, 257:263] == np.frombuffer(b"ustar\0", np.uint8)).all(1))
    headers = blocks[places]
    digits = headers[:, 124:135].astype(np.int64) - ord("0")
    sizes = digits @ (8 ** np.arange(10, -1, -1))
    ends = places + 1 + -(-sizes // BLOCK)
    plain = headers.copy()
    plain[:, :100], plain[:, 124:135], plain[:, 148:154] = 0, 0, 0
    template = np.frombuffer(bytes(100) + _BEFORE_SIZE + bytes(11) + _AFTER_SIZE + bytes(6) + _AFTER_SUM, np.uint8)
    sums = headers.sum(1, dtype=np.int64) - headers[:, 148:156].sum(1, dtype=np.int64) + 8 * ord(" ")
    told = (headers[:, 148:154].astype(np.int64) - ord("0")) @ (8 ** np.arange(5, -1, -1))
    sound = (digits >= 0).all() and (digits < 8).all() and (plain == template).all() and (sums == told).all()
    if not sound or not np.array_equal(places, np.concatenate([[0], ends[:-1]])[: len(places)]):
        return None
    end = int(ends[-1]) * BLOCK if len(ends) else 0
    if bytes(tar[end : end + 2 * RECORD]) != _end(end):
        return None
    names = [name.decode("latin-1") for name in np.ascontiguousarray(headers[:, :100]).view("S100")[:, 0].tolist()]
    if not all(map(_NAME.fullmatch, names)):
        return None
    return list(map(Member, names, ((places + 1) * BLOCK).tolist(), sizes.tolist()))


def _member_at(tar: bytes | memoryview, place: int) -> Member:
    found = bytes(tar[place : place + BLOCK])
    name = found[:100].rstrip(b"\0")
    size = _octal(found[124:135])
    if size < 0 or found != header(name, size) or not _NAME.fullmatch(text := name.decode("latin-1")):
        raise Damaged(f"no plain member header at byte {place}")
    member = Member(text, place + BLOCK, size)
    if _after(member) > len(tar):
        raise Damaged(f"cut in member {text}, at byte {len(tar)}")
    return member


def _after(member: Member) -> int:
    return member.offset + member.size + -member.size % BLOCK


def _octal(digits: bytes) -> int:
    """What a field of octal digits says, padded as some writers do; -1 if it says nothing."""
    try:
        return int(digits.strip(b" \0") or b"0", 8)
    except ValueError:
        return -1
