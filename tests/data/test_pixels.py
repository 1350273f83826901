import io

import numpy as np
import pytest
import torch
from PIL import Image

from imprint.data.pixels import image_pixels, is_grey, read_header, to_bytes, to_pixels
from imprint.errors import DamagedFileError, InvalidValueError

RAMP = np.arange(6, dtype=np.uint8).reshape(2, 3) * 50


def encoded(image, kind="png"):
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def test_grey_and_colour_keep_their_pixels():
    colour = np.stack([RAMP, RAMP + 1, RAMP + 2], axis=-1)
    assert np.array_equal(image_pixels(Image.fromarray(RAMP)), RAMP[None])
    assert np.array_equal(image_pixels(Image.fromarray(colour)), colour.transpose(2, 0, 1))


def test_sixteen_bits_keep_their_upper_eight():
    deep = RAMP.astype(np.uint16) * 257
    image = Image.open(io.BytesIO(encoded(Image.fromarray(deep))))
    assert is_grey(image)
    assert np.array_equal(image_pixels(image), RAMP[None])
    assert np.array_equal(image_pixels(Image.fromarray(deep.astype(np.int32))), RAMP[None])
    assert np.array_equal(image_pixels(image, channels=3), np.stack([RAMP] * 3))


def test_alpha_is_laid_on_white():
    image = Image.new("RGBA", (3, 1))
    image.putdata([(255, 0, 0, 255), (255, 0, 0, 0), (0, 0, 0, 51)])
    expected = [[255, 255, 204], [0, 255, 204], [0, 255, 204]]  # 0·0.2 + 255·0.8 = 204
    assert image_pixels(image)[:, 0].tolist() == expected
    grey = Image.new("LA", (1, 1), (10, 0))
    assert is_grey(grey)
    assert image_pixels(grey).tolist() == [[[255]]]


def test_a_palette_becomes_its_colours_and_its_transparency_white():
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putdata([0, 1])
    assert image_pixels(image)[:, 0].T.tolist() == [[255, 0, 0], [0, 0, 255]]
    image.info["transparency"] = 0
    assert image_pixels(image)[:, 0].T.tolist() == [[255, 255, 255], [0, 0, 255]]


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I;16"]
)
@pytest.mark.parametrize("channels", [1, 3, None])
def test_every_mode_gives_bytes(mode, channels):
    pixels = image_pixels(Image.new(mode, (7, 5)), channels=channels, size=(4, 6))
    assert pixels.shape == (channels or (1 if is_grey(Image.new(mode, (1, 1))) else 3), 4, 6)
    assert pixels.dtype == np.uint8


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_the_header_alone_says_what_the_whole_image_does(mode, kind):
    data = encoded(Image.new(mode, (7, 5)), kind)
    with Image.open(io.BytesIO(data)) as image:
        header = read_header(data, "x")
        assert header[:2] == (image.height, image.width)
        assert header.is_grey == is_grey(image)


@pytest.mark.parametrize("data", [b"", b"no image", b"\x89PNG\r\n\x1a\nnothing"])
def test_no_image_is_told_with_its_name(data):
    with pytest.raises(DamagedFileError, match=f"row 7: expected an image, got {len(data)} bytes"):
        read_header(data, "row 7")


def test_floats_are_rounded_and_integers_kept():
    levels = torch.arange(256)
    assert torch.equal(to_bytes(levels.double() / 255, "x"), levels.byte())
    assert torch.equal(to_bytes(levels, "x"), levels.byte())


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (
            torch.tensor([[0.0, np.nan], [np.inf, 1]]),
            r"got 2 NaN or infinite, first at index \(0, 1\)",
        ),
        (torch.tensor([0.0, 1.5]), r"floats in \[0, 1\], got 0 … 1.5"),
        (torch.tensor([-1, 255]), r"integers in \[0, 255\], got -1 … 255"),
        (torch.tensor([True]), "got bool"),
    ],
)
def test_pixels_out_of_range_are_refused(pixels, said):
    with pytest.raises(InvalidValueError, match=f"x: expected .*{said}"):
        to_bytes(pixels, "x")


def test_images_of_any_kind_become_channels_first():
    colour = np.random.default_rng(0).integers(0, 256, (4, 5, 3)).astype(np.uint8)
    first = torch.from_numpy(colour).permute(2, 0, 1)
    for image in (Image.fromarray(colour), colour, colour[::-1][::-1], colour.astype(">u2"), first):
        assert torch.equal(to_pixels(image, "x"), first)
    assert torch.equal(to_pixels(first.double() / 255, "x"), first)
    assert to_pixels(np.zeros((4, 5)), "x").shape == (1, 4, 5)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("text", "got str"),
        (torch.zeros(2, 4, 5), r"got \(2, 4, 5\)"),
        (torch.zeros(4), r"got \(4,\)"),
        (np.array([["a"]]), "got <U1"),
    ],
)
def test_no_image_is_refused(image, said):
    with pytest.raises(InvalidValueError, match=said):
        to_pixels(image, "x")


@pytest.mark.parametrize("last", [True, False])
def test_an_rgba_array_is_laid_on_white_as_pillow_does(last):
    array = np.random.default_rng(0).integers(0, 256, (5, 7, 4), dtype=np.uint8)
    expected = image_pixels(Image.fromarray(array)).astype(int)
    given = array if last else torch.from_numpy(array.transpose(2, 0, 1).copy())
    laid = to_pixels(given, "x").numpy().astype(int)
    assert laid.shape == (3, 5, 7)
    assert abs(laid - expected).max() <= 1


def test_whatever_pillow_raises_of_damage_is_told():
    frames = [Image.new("P", (4, 4), colour) for colour in (0, 3)]
    frames[0].save(file := io.BytesIO(), "gif", save_all=True, append_images=frames[1:])
    damaged = bytearray(file.getvalue())
    damaged[-1] = ord("!")  # begins an extension that is not there: an IndexError of Pillow's
    with pytest.raises(DamagedFileError, match="row 3: expected an image"):
        read_header(bytes(damaged), "row 3")
