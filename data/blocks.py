"""One sample of a tar as key and members, by its headers alone; what is not plain data of one sample is refused."""

import io
from collections.abc import Mapping
from functools import lru_cache

from data.errors import Damaged
from data.foreign import PICKLES, read_members
from data.tars import BLOCK

Members = Mapping[str, bytes]
"""Extension -> content."""
_PLAIN = b"0" + bytes(100) + b"ustar\0"
"""Bytes 156 to 263 of a header: a regular file, no link, POSIX."""
_NO_PREFIX = bytes(155)
"""Bytes 345 to 500: the whole name stands at the beginning."""


def members_of_block(block: bytes) -> tuple[str, Members]:
    """Key and members of the one sample that a piece of a tar holds.

    The key is what `key_of` says. Headers' checksums are not looked at: whoever opened the tar vouches for it.

    Raises:
        Damaged: the piece holds no sample, parts of two, a member twice, or anything that `read_members` refuses.
    """
    members, place, end, count = dict[str, bytes](), 0, len(block) // BLOCK * BLOCK, 0
    begin = block[: block.find(b".", 0, 100) + 1]
    while place < end:
        size = _size(block[place + 124 : place + 136])
        plain = block.startswith(_PLAIN, place + 156) and block.startswith(_NO_PREFIX, place + 345)
        if not plain or size < 0 or not block.startswith(begin, place):
            return _strictly(block)
        extension = _extension(block[place + len(begin) : place + 100])
        place += BLOCK
        members[extension] = block[place : place + size]
        place += size + -size % BLOCK
        count += 1
    if place != len(block) or len(begin) < 2 or b"/" in begin or b"\0" in begin or not begin.isascii():
        return _strictly(block)
    return begin[:-1].decode("ascii"), _each_once(members, count)


def key_of(name: str) -> tuple[str, str]:
    """A member's sample and its extension, in small letters: cut at the first dot after the last slash."""
    folder, slash, file = name.rpartition("/")
    key, _, extension = file.partition(".")
    return folder + slash + key, extension.lower()


def _strictly(block: bytes) -> tuple[str, Members]:
    """The same of any tar that `read_members` reads, some five times slower."""
    stream = io.BytesIO(block + bytes(BLOCK))
    named = [(key_of(entry.name), entry.content) for entry in read_members(stream)]
    keys = {key for (key, _), _ in named}
    if len(keys) != 1 or stream.tell() != len(block) + BLOCK:
        raise Damaged("what lies there is not one sample")
    return keys.pop(), _each_once({extension: content for (_, extension), content in named}, len(named))


def _each_once(members: Members, count: int) -> Members:
    if len(members) != count:
        raise Damaged(f"a sample has a member twice: {count} members, extensions {', '.join(members)}")
    return members


@lru_cache(maxsize=4096)
def _size(field: bytes) -> int:
    """What a field of plain octal digits says; -1 for any other."""
    return int(field[:11], 8) if field[:11].isdigit() and max(field[:11]) < ord("8") and field[11:] in b"\0 " else -1


@lru_cache(maxsize=1024)
def _extension(raw: bytes) -> str:
    extension = raw.rstrip(b"\0").decode("latin-1").lower()
    if not extension.isascii() or "\0" in extension or extension.rsplit(".", 1)[-1] in PICKLES:
        raise Damaged(f"a member of extension {extension!r} is not read: it is a pickle, or no name")
    return extension
