import io

import pytest
import torch
from PIL import Image

from data.errors import Damaged
from data.modalities import image


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_survive_the_way_to_png_and_back(channels, rng):
    pixels = torch.randint(0, 256, (channels, 5, 7), generator=rng, dtype=torch.uint8)

    assert torch.equal(image.decode(image.encode(pixels.float() / 255)), pixels)


def test_stored_is_what_a_reader_will_see(rng):
    images = torch.rand(3, 1, 4, 4, generator=rng)

    read = torch.stack([image.decode(image.encode(one)) for one in images]).float() / 255

    assert torch.equal(image.stored(images), read)


@pytest.mark.parametrize("bad", [float("nan"), -0.1, 1.1])
def test_a_pixel_outside_its_range_is_refused(bad):
    with pytest.raises(ValueError, match=r"pixels lie in \[0, 1\]"):
        image.encode(torch.full((1, 2, 2), bad))


def test_two_channels_are_refused():
    with pytest.raises(ValueError, match=r"got \(2, 4, 4\)"):
        image.encode(torch.zeros(2, 4, 4))


def test_what_is_no_png_is_damaged():
    with pytest.raises(Damaged, match="not a readable PNG"):
        image.decode(b"GIF89a")


def test_a_palette_png_is_damaged():
    out = io.BytesIO()
    Image.new("P", (2, 2)).save(out, "png")

    with pytest.raises(Damaged, match="mode P"):
        image.decode(out.getvalue())
