"""Single images, from anywhere, to bytes: `(C, H, W)`, uint8, one or three channels."""

import io
import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from imprint.errors import DamagedFileError, InvalidValueError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "CHANNELS",
    "GREY_MODES",
    "Header",
    "array_tensor",
    "image_pixels",
    "is_grey",
    "lay_on_white",
    "opened",
    "read_header",
    "to_bytes",
    "to_pixels",
]

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
PNG_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}
"""Pillow's modes by PNG's colour types. To read PNG headers here and not with Pillow takes a second
off CIFAR-10's six."""

CHANNELS = (1, 3, 4)
"""Of arrays: grey, RGB, RGBA."""

ANIMATED = ", animated"

_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, struct.error)
"""What Pillow raises of a file that is damaged."""

GREY_MODES = ("1", "L", "La", "LA", "I", "I;16", "I;16L", "I;16B", "I;16N")


@contextmanager
def opened(data: Path | bytes, name: str) -> Iterator["Image"]:
    """Open an encoded image; an error while it is open names the image.

    Args:
        data: a file, or the bytes of one.
        name: what an error calls it.

    Yields:
        The image; its pixels are not decoded yet.

    Raises:
        DamagedFileError: where it cannot be read, now or as long as it is open.

    Examples:
        >>> with opened(b"no image", "row 3"):
        ...     pass
        Traceback (most recent call last):
        imprint.errors.DamagedFileError: row 3: expected an image, got 8 bytes of no known format
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data) if isinstance(data, bytes) else data) as image:
            yield image
    except UnidentifiedImageError as error:
        size = len(data) if isinstance(data, bytes) else data.stat().st_size
        raise DamagedFileError(
            f"{name}: expected an image, got {size} bytes of no known format"
        ) from error
    except (*_DAMAGE, Image.DecompressionBombError) as error:
        size = len(data) if isinstance(data, bytes) else data.stat().st_size
        raise DamagedFileError(
            f"{name}: expected an image, got {size} bytes that cannot be read ({error})"
        ) from error


class Header(NamedTuple):
    """What the head of an encoded image says.

    Attributes:
        height: in pixels.
        width: in pixels.
        mode: Pillow's: `L`, `RGB`, `RGBA`, `P`, `I;16`, …; with `, animated` where there are
            several pictures, of which the first one counts.
    """

    height: int
    width: int
    mode: str

    @property
    def is_grey(self) -> bool:
        """Whether one channel holds all of it, apart from transparency."""
        return self.mode.removesuffix(ANIMATED) in GREY_MODES


def read_header(data: Path | bytes, name: str) -> Header:
    """Read an image's size and mode, and decode nothing.

    Args:
        data: a file, or the bytes of one.
        name: what an error calls it.

    Returns:
        height and width in pixels, and the mode.

    Raises:
        DamagedFileError: where it cannot be read.

    Examples:
        >>> from PIL import Image
        >>> Image.new("L", (3, 2)).save(buffer := io.BytesIO(), "png")
        >>> read_header(buffer.getvalue(), "row 0")
        Header(height=2, width=3, mode='L')
    """
    if (
        isinstance(data, bytes)
        and data[:8] == PNG_MAGIC
        and data[12:16] == b"IHDR"
        and len(data) > 26
    ):
        width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
        if depth == 8 and colour in PNG_MODES:
            return Header(height, width, PNG_MODES[colour])
    with opened(data, name) as image:
        animated = ANIMATED if getattr(image, "is_animated", False) else ""
        return Header(image.height, image.width, image.mode + animated)


def is_grey(image: "Image") -> bool:
    """Tell whether an image has one channel, apart from transparency.

    Args:
        image: of any mode.

    Returns:
        Whether one channel holds all of it; a palette counts as colour.

    Examples:
        >>> from PIL import Image
        >>> is_grey(Image.new("LA", (2, 2))), is_grey(Image.new("RGB", (2, 2)))
        (True, False)
    """
    return image.mode in GREY_MODES


def image_pixels(
    image: "Image", *, channels: int | None = None, size: tuple[int, int] | None = None
) -> npt.NDArray[np.uint8]:
    """Decode a Pillow image.

    Transparency is laid on white, 16 bits keep their upper 8, other colour spaces become RGB.

    Args:
        image: of any mode.
        channels: 1 or 3; None takes what the image has.
        size: height and width to resize to (bilinear), in pixels; None keeps its own.

    Returns:
        `(C, H, W)`, uint8.

    Examples:
        >>> from PIL import Image
        >>> image_pixels(Image.new("RGBA", (4, 2), (255, 0, 0, 0))).shape
        (3, 2, 4)
    """
    channels = channels or (1 if is_grey(image) else 3)
    plain = _plain(image, "L" if channels == 1 else "RGB")
    if size is not None and size != (plain.height, plain.width):
        from PIL import Image

        plain = plain.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    pixels: npt.NDArray[np.uint8] = np.array(plain)
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def _plain(image: "Image", mode: str) -> "Image":
    """Convert to L or RGB, with what Pillow's own conversion would clip or drop seen to."""
    from PIL import Image

    if image.mode == mode and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):
        upper = np.asarray(image).astype(np.int64).clip(0, 65535) >> 8
        image = Image.fromarray(upper.astype(np.uint8))
    if image.has_transparency_data:
        colour = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, colour)
    return image if image.mode == mode else image.convert(mode)


def array_tensor(array: npt.NDArray[Any], name: str) -> Tensor:
    """Bring a numpy array of numbers to a type that torch computes with.

    Args:
        array: any shape, integers or floats of any width and byte order.
        name: what an error calls it.

    Returns:
        The same shape and values; uint8, int64 or float32.

    Raises:
        InvalidValueError: where it holds anything but numbers.

    Examples:
        >>> array_tensor(np.ones(2, np.uint16), "x").dtype
        torch.int64
    """
    if array.dtype.kind not in "iuf":
        raise InvalidValueError(f"{name}: expected uint8 or float pixels, got {array.dtype}")
    kind = np.float32 if array.dtype.kind == "f" else np.int64
    array = array if array.dtype == np.uint8 else array.astype(kind)
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))


def to_bytes(pixels: Tensor, name: str) -> Tensor:
    """Bring pixels to uint8.

    Args:
        pixels: any shape; integers in `0 … 255`, or floats in [0, 1].
        name: what an error calls them.

    Returns:
        the same shape, uint8; floats times 255, rounded.

    Raises:
        InvalidValueError: for values that are not finite (how many, and the first) or out of range.

    Examples:
        >>> to_bytes(torch.tensor([0.0, 0.5, 1.0]), "x")
        tensor([  0, 128, 255], dtype=torch.uint8)
    """
    if pixels.dtype == torch.uint8 or not pixels.numel():
        return pixels.to(torch.uint8)
    if pixels.dtype == torch.bool or pixels.is_complex():
        kind = f"{pixels.dtype}".removeprefix("torch.")
        raise InvalidValueError(f"{name}: expected uint8 or float pixels, got {kind}")
    top = 1 if pixels.is_floating_point() else 255
    low, high = (value.item() for value in pixels.aminmax())
    if not (math.isfinite(low) and math.isfinite(high)):
        _refuse_not_finite(pixels, name)
    if low < 0 or high > top:
        expected = f"{'floats' if top == 1 else 'integers'} in [0, {top}]"
        raise InvalidValueError(f"{name}: expected {expected}, got {low:g} … {high:g}")
    return (pixels * 255).round_().to(torch.uint8) if top == 1 else pixels.to(torch.uint8)


def _refuse_not_finite(pixels: Tensor, name: str) -> None:
    wrong = pixels.isfinite().logical_not().nonzero()
    first = tuple(wrong[0].tolist())
    raise InvalidValueError(
        f"{name}: expected finite pixels, got {len(wrong)} NaN or infinite, first at index {first}"
    )


def to_pixels(image: Any, name: str) -> Tensor:
    """Bring one image as data sets give them to bytes.

    Args:
        image: a Pillow image; a tensor `(H, W)` or `(C, H, W)`; or a numpy array `(H, W)`,
            `(H, W, C)` or `(C, H, W)`, C of 1, 3 or 4 (RGBA), its last axis being C where it has so
            many entries. Integers in `0 … 255`, or floats in [0, 1].
        name: what an error calls it.

    Returns:
        `(C, H, W)`, uint8, C of 1 or 3; transparency is laid on white.

    Raises:
        InvalidValueError: for another type, shape or range.

    Examples:
        >>> to_pixels(np.zeros((4, 6, 3), np.uint8), "image").shape
        torch.Size([3, 4, 6])
    """
    if hasattr(image, "mode") and hasattr(image, "convert"):
        return torch.from_numpy(image_pixels(image).copy())
    is_array = isinstance(image, np.ndarray)
    if not is_array and not isinstance(image, Tensor):
        expected = "a Pillow image, a tensor or a numpy array"
        raise InvalidValueError(f"{name}: expected {expected}, got {type(image).__name__}")
    pixels = array_tensor(image, name) if is_array else image
    pixels = pixels.unsqueeze(0) if pixels.ndim == 2 else pixels
    if is_array and image.ndim == 3 and image.shape[-1] in CHANNELS:
        pixels = pixels.permute(2, 0, 1)
    if pixels.ndim != 3 or pixels.shape[0] not in CHANNELS:
        expected = "(H, W) or (C, H, W) with 1, 3 or 4 channels"
        raise InvalidValueError(f"{name}: expected {expected}, got {tuple(image.shape)}")
    return lay_on_white(to_bytes(pixels, name))


def lay_on_white(images: Tensor) -> Tensor:
    """Lay RGBA images on white; others stay as they are.

    Args:
        images: `(…, C, H, W)`, uint8; four channels are RGBA.

    Returns:
        `(…, C, H, W)`, uint8, three channels where there were four.

    Examples:
        >>> lay_on_white(torch.tensor([255, 0, 0, 51], dtype=torch.uint8).view(4, 1, 1)).flatten()
        tensor([255, 204, 204], dtype=torch.uint8)
    """
    if images.shape[-3] != 4:
        return images
    laid = torch.empty_like(images[..., :3, :, :])
    alpha = images[..., 3, :, :].int()
    for channel in range(3):
        colour = images[..., channel, :, :].int()
        laid[..., channel, :, :] = (colour * alpha + 255 * (255 - alpha) + 127) // 255
    return laid
