"""Tars that others made, read from a stream of any length with bounded memory; anything but plain data is refused."""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from data.errors import Damaged
from data.tars import BLOCK

MOST = 256 * 2**20
"""Bytes of the largest member that is read: a header may claim more than memory holds."""
EXTENDED = 64 * 2**10
"""Bytes of the longest extended header that is read: a name needs a few hundred."""
PICKLES = ("pkl", "pickle", "pyd", "pt", "pth")
"""Extensions whose decoders run what they read."""
_FILE, _FOLDER, _PAX, _PAX_FOR_ALL, _LONG_NAME = (b"0", b"\0", b"7"), b"5", b"x", b"g", b"L"


class Entry(NamedTuple):
    """A file within a tar: where its first header begins, its name, its content."""

    start: int
    name: str
    content: bytes


def read_members(stream: BinaryIO) -> Iterator[Entry]:
    """Every file in a tar, in order; folders are passed over.

    POSIX (ustar, pax) and GNU tars, as webdataset's own writer, img2dataset and GNU tar make them.

    Raises:
        Damaged: it is cut or not a tar, a header's checksum is wrong, or a member is a link, a device, a pickle,
            lies outside (an absolute name, or `..`), or claims more than `MOST` bytes.
    """
    long_name, start, place = "", -1, 0
    while block := _exactly(stream, BLOCK, "a header"):
        if not any(block):
            return
        kind, size = block[156:157], _checked_size(block)
        start = place if start < 0 else start
        place += BLOCK + size + -size % BLOCK
        if kind in (_PAX, _PAX_FOR_ALL, _LONG_NAME):
            long_name = _long_name(kind, _content(stream, size, EXTENDED, "an extended header")) or long_name
            continue
        name, long_name = long_name or _name_of(block), ""
        if kind != _FOLDER:
            yield Entry(start, _plain(name, kind), _content(stream, size, MOST, name))
        start = -1
    raise Damaged("the tar ends without its end mark: it is cut")


def _exactly(stream: BinaryIO, size: int, what: str) -> bytes:
    found = stream.read(size)
    while 0 < len(found) < size and (more := stream.read(size - len(found))):
        found += more
    if found and len(found) != size:
        raise Damaged(f"the tar is cut in {what}")
    return found


def _checked_size(block: bytes) -> int:
    claimed = _octal(block[148:156])
    if claimed != sum(block[:148]) + 8 * ord(" ") + sum(block[156:]):
        raise Damaged("a header's checksum is wrong: it is no tar, or damaged")
    return _octal(block[124:136])


def _octal(field: bytes) -> int:
    try:
        return int(field.strip(b" \0") or b"0", 8)
    except ValueError as error:
        raise Damaged(f"a header holds {field!r} for a number") from error


def _name_of(block: bytes) -> str:
    name, prefix = (part.split(b"\0")[0] for part in (block[:100], block[345:500]))
    ustar = block[257:263] == b"ustar\0"
    return _text(prefix + b"/" + name if ustar and prefix else name)


def _long_name(kind: bytes, content: bytes) -> str:
    """The name an extended header gives to the member after it, or nothing."""
    if kind == _LONG_NAME:
        return _text(content.rstrip(b"\0"))
    name, place = "", 0
    while place < len(content):
        digits, _, _ = content[place : place + 20].partition(b" ")
        if not digits.isdigit() or not len(digits) < int(digits) <= len(content) - place:
            raise Damaged("an extended header is damaged")
        key, _, value = content[place + len(digits) + 1 : place + int(digits) - 1].partition(b"=")
        if key == b"size" or key.startswith(b"GNU.sparse"):
            raise Damaged(f"an extended header sets {key.decode()!r}: no member is that large")
        name = _text(value) if key == b"path" and kind == _PAX else name
        place += int(digits)
    return name


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise Damaged(f"a member's name is not UTF-8: {raw!r}") from error


def _content(stream: BinaryIO, size: int, most: int, name: str) -> bytes:
    if size > most:
        raise Damaged(f"{name!r} claims {size} bytes, more than the {most} that are read")
    parts, left = [], size + -size % BLOCK
    while left:
        part = stream.read(min(left, 2**20))
        if not part:
            raise Damaged(f"the tar is cut in {name!r}")
        parts.append(part)
        left -= len(part)
    return b"".join(parts)[:size]


def _plain(name: str, kind: bytes) -> str:
    name = name.removeprefix("./")
    if kind not in _FILE:
        raise Damaged(f"{name!r} is a link or device (type {kind!r}), not a file")
    if name.startswith("/") or ".." in name.split("/"):
        raise Damaged(f"{name!r} lies outside the tar")
    if name.rsplit(".", 1)[-1].lower() in PICKLES:
        raise Damaged(f"{name!r} is a pickle, which could run what it holds: it is not read")
    return name
