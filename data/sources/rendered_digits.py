"""Digits drawn from the fonts that matplotlib ships, each as another hand or press might have left it: a simulation.

Labels are known by construction and no real sample is needed, so it is one side of sim-to-real (docs/adapt.md). A
glyph is kept as the signed distance to its outline, so that any stroke width is a threshold; a random slant, turn,
proportion and bend is drawn through that field, and what comes out is cut to its box and scaled as the makers of the
handwritten sets say they did: below 16 pixels a side as UCI's (a bitmap four times as fine, black pixels counted in
each 4 x 4 block), from there on as MNIST's (longer side 20 of 28 pixels, centre of mass in the middle).
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from data.census import parts_apart
from data.errors import WrongUse
from data.sources import Found, Part, Source, SourceOptions

FONTS = (
    *(f"DejaVuSans{face}" for face in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSansMono{face}" for face in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSerif{face}" for face in ("", "-Bold", "-Italic", "-BoldItalic")),
    *(f"STIXGeneral{face}" for face in ("", "Bol", "Italic", "BolIta")),
    *("cmr10", "cmb10", "cmss10", "cmti10", "cmtt10"),
)
"""Those with ten digits of the usual form; the others hold symbols, or old-style figures."""

FIELD, TALL = 64, 44
"""Pixels a side of a glyph's field, and of its height in it."""
TURN, SLANT, PROPORTION, BEND = 0.17, 0.3, 0.25, 0.05
"""At most: radians; columns a row; log of width over height; standard deviation of a bend, in shares of the side."""
PEN = -1.0, 1.5
"""Thinnest and thickest change of every outline, in pixels of the field."""
SHRINK, OFFSET = 0.1, 0.02
"""At most: how much smaller than its box a digit is; how far from the middle, in shares of the side."""
AT_ONCE = 500
"""Digits drawn together; each lot has random numbers of its own."""


def rendered_digits(options: SourceOptions) -> Source:
    """`options.drawn` digits of `options.size` pixels a side (8 where it is 0), ten classes in turn.

    No font is in two parts: fonts are shuffled by `options.split_seed`, and of each part there are as many as its share
    says, rounded, but at least one.

    Raises:
        WrongUse: fewer than four pixels a side.
    """
    size = options.size or 8
    if size < 4:
        raise WrongUse(f"source.size must be 0 or >= 4 to show a digit, got {size}")
    return Source(tuple("0123456789"), _samples(options, size, parts_of_fonts(options)))


def parts_of_fonts(options: SourceOptions) -> tuple[Part, ...]:
    """The part of each of `FONTS`."""
    return parts_apart(len(FONTS), options)


def _samples(options: SourceOptions, size: int, parts: tuple[Part, ...]) -> Iterator[Found]:
    for first in range(0, options.drawn, AT_ONCE):
        count = min(AT_ONCE, options.drawn - first)
        labels = torch.arange(first, first + count) % 10
        rng = torch.Generator().manual_seed(options.draw_seed * 1_000_003 + first)
        fonts = torch.randint(len(FONTS), (count,), generator=rng)
        pixels = (render(labels, fonts, size, rng) * 255).round().to(torch.uint8).numpy()
        for row, (image, label, font) in enumerate(zip(pixels, labels.tolist(), fonts.tolist(), strict=True), first):
            yield Found(f"rendered_digits[{row}] in {FONTS[font]}", image, label, parts[font])


def render(labels: Tensor, fonts: Tensor, size: int, rng: torch.Generator) -> Tensor:
    """Digits as another hand would draw them: float (N, size, size) in [0, 1].

    Args:
        labels, fonts: which digit and which of `FONTS`, int64 (N,).
    """
    pen = _even(len(labels), *PEN, rng)[:, None, None]
    field = torch.from_numpy(fields())[fonts, labels] + pen
    bent = F.grid_sample(field[:, None], _bends(len(labels), rng), padding_mode="border", align_corners=False)
    ink = torch.sigmoid(3 * bent)
    return (_counted if size < 16 else _centred)(ink, size, rng)[:, 0].clamp(0, 1)


@lru_cache(maxsize=1)
def fields() -> np.ndarray:
    """Each font's digits as distances to their outlines, positive inside: float32 (fonts, 10, 64, 64), in pixels."""
    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    fonts = [ImageFont.truetype(str(folder / f"{name}.ttf"), 4 * FIELD) for name in FONTS]
    return np.stack([np.stack([_field(font, str(digit)) for digit in range(10)]) for font in fonts])


def _field(font: ImageFont.FreeTypeFont, text: str) -> np.ndarray:
    fine = 2 * FIELD
    drawing = Image.new("L", (8 * FIELD, 8 * FIELD))
    ImageDraw.Draw(drawing).text((2 * FIELD, FIELD), text, 255, font)
    glyph = drawing.crop(drawing.getbbox())
    wide = min(2 * TALL, round(glyph.width * 2 * TALL / glyph.height))
    canvas = Image.new("L", (fine, fine))
    canvas.paste(glyph.resize((max(1, wide), 2 * TALL), Image.Resampling.BOX), ((fine - wide) // 2, FIELD - TALL))
    inside = np.asarray(canvas) > 127
    signed = distance_transform_edt(inside) - distance_transform_edt(~inside)
    halved: np.ndarray = signed.reshape(FIELD, 2, FIELD, 2).mean((1, 3)) / 2
    return halved.astype(np.float32)


def _bends(count: int, rng: torch.Generator) -> Tensor:
    """Where each pixel of a field is taken from, float (count, FIELD, FIELD, 2) for `grid_sample`."""
    turn, slant = (_even(count, -most, most, rng) for most in (TURN, SLANT))
    wide = _even(count, -PROPORTION, PROPORTION, rng).exp()
    rows = [torch.stack([turn.cos() * wide, slant - turn.sin()], 1), torch.stack([turn.sin(), turn.cos()], 1)]
    straight = F.affine_grid(F.pad(torch.stack(rows, 1), (0, 1)), [count, 1, FIELD, FIELD], align_corners=False)
    bend = torch.randn(count, 2, 4, 4, generator=rng) * BEND
    smooth = F.interpolate(bend, (FIELD, FIELD), mode="bicubic", align_corners=True)
    return straight + 2 * smooth.permute(0, 2, 3, 1)


def _even(count: int, low: float, high: float, rng: torch.Generator) -> Tensor:
    return torch.rand(count, generator=rng) * (high - low) + low


def _counted(ink: Tensor, size: int, rng: torch.Generator) -> Tensor:
    """As UCI's: the box fills the image; black pixels of each 4 x 4 block, of a bitmap, are counted."""
    centre, half = _boxes(ink)
    seen = _seen(ink, centre, half.amax(1), 4 * size, 1.0, rng)
    return F.avg_pool2d((seen > 0.5).float(), 4)


def _centred(ink: Tensor, size: int, rng: torch.Generator) -> Tensor:
    """As MNIST's: the longer side of the box is 20/28 of the image, whose middle is the centre of mass."""
    _, half = _boxes(ink)
    places = (torch.arange(FIELD) + 0.5) * 2 / FIELD - 1
    mass = ink.sum((1, 2, 3)).clamp_min(1e-6)
    centre = torch.stack([(ink.sum(2)[:, 0] * places).sum(1) / mass, (ink.sum(3)[:, 0] * places).sum(1) / mass], 1)
    return F.avg_pool2d(_seen(ink, centre, half.amax(1), 2 * size, 20 / 28, rng), 2)


def _boxes(ink: Tensor) -> tuple[Tensor, Tensor]:
    """Centre and half the sides of what is drawn, both float (N, 2), columns first, where the image is 2 wide."""
    dark = ink[:, 0] > 0.5
    low, high = (torch.stack([_end(dark.any(axis), last) for axis in (1, 2)], 1) for last in (False, True))
    return (low + high) / FIELD - 1, (high - low).clamp_min(4) / FIELD


def _end(dark: Tensor, last: bool) -> Tensor:
    """First or last place, float (N,), where bool (N, FIELD) is set, as a border between pixels."""
    places = torch.arange(FIELD).float()
    if last:
        return torch.where(dark, places + 1, 0).amax(1)
    return torch.where(dark, places, FIELD).amin(1)


def _seen(ink: Tensor, centre: Tensor, half: Tensor, size: int, share: float, rng: torch.Generator) -> Tensor:
    """The image, float (N, 1, size, size), in which a half side fills `share`, a little smaller and off the middle."""
    zoom = half / share / _even(len(ink), 1 - SHRINK, 1, rng)
    shift = (torch.rand(len(ink), 2, generator=rng) * 2 - 1) * OFFSET * 2
    matrices = torch.cat(
        [torch.diag_embed(zoom[:, None].expand(-1, 2)), (centre + shift * zoom[:, None])[..., None]], 2
    )
    grid = F.affine_grid(matrices, [len(ink), 1, size, size], align_corners=False)
    return F.grid_sample(ink, grid, padding_mode="zeros", align_corners=False)
