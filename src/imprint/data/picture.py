"""One picture of the user's own, brought to the size that a network takes."""

from pathlib import Path

import torch
from torch import Tensor

from imprint.data.decoding import Encoded, choose_shape, decode, survey
from imprint.errors import MissingFileError

__all__ = ["read_picture"]

LARGEST_SIDE = 224
"""Pixels of the longer side that a picture of no asked size is shrunk to."""


def read_picture(
    path: Path, *, shape: tuple[int, int, int] | None = None, image_size: int | None = None
) -> Tensor:
    """Read an image file.

    Args:
        path: of a file in any format that Pillow knows.
        shape: channels, height and width to bring it to.
        image_size: side to bring it to, where no shape is given; None keeps its own size, up to 224
            pixels on the longer side.

    Returns:
        `(C, H, W)`, uint8.

    Raises:
        MissingFileError: where there is no such file.
        DamagedFileError: where it is no image.

    Examples:
        >>> read_picture(Path("nowhere.png"))
        Traceback (most recent call last):
        imprint.errors.MissingFileError: image: expected a file nowhere.png, found none
    """
    if not path.is_file():
        raise MissingFileError(f"image: expected a file {path}, found none")
    encoded = Encoded(str(path), path)
    if shape is None:
        channels, height, width = choose_shape(survey([encoded]), image_size=image_size)
        part = 1.0 if image_size else min(1.0, LARGEST_SIDE / max(height, width))
        shape = channels, max(1, round(height * part)), max(1, round(width * part))
    return torch.from_numpy(decode(encoded, shape).copy())
