"""Images: float (C, H, W) in [0, 1] in memory, 8-bit PNG (grey or RGB) at rest, of any height and width."""

import io
import struct
from collections.abc import Sequence
from functools import lru_cache
from zlib import crc32, decompressobj
from zlib import error as zlib_error

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from data.errors import Damaged
from data.forms import Form
from data.modalities import Content, Fit, Held, Modality, furthest, no_unit
from data.pixels import pixels_of

extension = "png"
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encode(image: Tensor) -> bytes:
    """PNG bytes of one image, float (C, H, W) in [0, 1] with C of 1 or 3; same pixels, same bytes.

    Raises:
        ValueError: another number of channels, or a value outside [0, 1].
    """
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ValueError(f"an image is (1 or 3, H, W), got {tuple(image.shape)}")
    if not ((image >= 0) & (image <= 1)).all():
        raise ValueError(f"pixels lie in [0, 1], got {image.min():.3g} to {image.max():.3g}")
    pixels = quantise(image).permute(1, 2, 0).numpy()
    out = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(out, "png", compress_level=6)
    return out.getvalue()


def decode(content: bytes) -> Tensor:
    """The uint8 (C, H, W) pixels of a grey or RGB PNG.

    Raises:
        Damaged: not such an image.
    """
    try:
        with Image.open(io.BytesIO(content), formats=["png"]) as image:
            if image.mode not in ("L", "RGB"):
                raise Damaged(f"a PNG of mode {image.mode}: only grey (L) and RGB are read")
            pixels = np.array(image)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise Damaged(f"not a readable PNG ({error})") from error
    return torch.from_numpy(pixels.reshape(*pixels.shape[:2], -1)).permute(2, 0, 1)


def check(content: bytes, shape: Sequence[int], *, quick: bool = False) -> None:
    """Prove that a PNG decodes to `shape`, (C, H, W), in a fraction of the time that decoding takes.

    Every chunk's CRC-32, the whole of the compressed stream with its Adler-32, its length and its filter bytes: what
    is left is arithmetic without errors (PNG, third edition, W3C 2025, sections 5, 9 and 10). With `quick` the
    compressed stream is not unpacked: its CRC-32 alone says that it is as the encoder wrote it.

    Raises:
        Damaged: it does not.
    """
    header, stream, place, kind = b"", [], 8, b""
    while place < len(content) and kind != b"IEND":
        length, kind = int.from_bytes(content[place : place + 4]), content[place + 4 : place + 8]
        end = place + 8 + length
        if crc32(content[place + 4 : end]) != int.from_bytes(content[end : end + 4]) or end + 4 > len(content):
            raise Damaged(f"a PNG whose chunk at byte {place} is damaged")
        if kind == b"IDAT" and not quick:
            stream.append(content[place + 8 : end])
        header = header or content[place:end]
        place = end + 4
    if content[:8] != SIGNATURE or kind != b"IEND" or place != len(content):
        raise Damaged("no whole PNG")
    channels, height, width = shape
    if header != _plain_header(channels, height, width):
        raise Damaged(f"a PNG of another kind than 8 bit, {channels} channels, {height} x {width}")
    if not quick:
        _check_pixels(b"".join(stream), height, 1 + width * channels)


@lru_cache
def _plain_header(channels: int, height: int, width: int) -> bytes:
    return struct.pack(">I4sIIBBBBB", 13, b"IHDR", width, height, 8, 2 if channels == 3 else 0, 0, 0, 0)


def _check_pixels(stream: bytes, height: int, row: int) -> None:
    inflate = decompressobj()
    try:
        raw = inflate.decompress(stream, row * height + 1)
    except zlib_error as error:
        raise Damaged(f"a PNG whose pixels are damaged ({error})") from error
    if len(raw) != row * height or not inflate.eof or inflate.unused_data or max(raw[::row]) > 4:
        raise Damaged("a PNG whose pixels are damaged")


def quantise(images: Tensor) -> Tensor:
    """The uint8 pixels that float images in [0, 1] are stored as; any shape."""
    return (images * 255).round().to(torch.uint8)


def stored(images: Tensor) -> Tensor:
    """Float images as a reader of the shard will see them: rounded to the 8 bits a PNG keeps; any shape, in [0, 1]."""
    return quantise(images).to(torch.float32) / 255


def _take(content: Content, fit: Fit) -> Held:
    return Held(pixels_of(content, size=fit.size, channels=fit.channels))


def _floats(pixels: Tensor) -> Tensor:
    return pixels.float() / 255


def _rest(x: Tensor) -> Tensor:
    if not ((x >= 0) & (x <= 1)).all():
        raise ValueError(f"pixels lie in [0, 1], got {x.min():.3g} to {x.max():.3g}")
    return quantise(x)


def _encode(x: Tensor, form: Form) -> bytes:
    return encode(x)


def _decode(content: bytes, form: Form | None) -> Tensor:
    pixels = decode(content)
    if form is not None and tuple(pixels.shape) != form.shape:
        raise Damaged(f"a PNG of shape {tuple(pixels.shape)}, not {form.shape}")
    return pixels


def _check(content: bytes, form: Form, *, quick: bool = False) -> None:
    check(content, form.shape, quick=quick)


image = Modality(
    extension=extension,
    kind="|u1",
    unit="of the range from black, 0, to white, 1",
    low=0,
    high=1,
    take=_take,
    floats=_floats,
    rest=_rest,
    encode=_encode,
    decode=_decode,
    check=_check,
    unit_of=no_unit,
    moved=furthest,
)
