"""Images as text within a page."""

import base64
import io
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Shown", "picture", "sprite_sheets"]

LARGEST = 96
"""Pixels of a picture's longer side; smaller ones are enlarged by the browser."""


TILE = 24
"""Pixels of a sprite's side."""

TILES = 40
"""Sprites in a row, and rows, of a sheet."""


class Shown(NamedTuple):
    """A picture and what is said of it."""

    source: str
    note: str


def picture(image: Tensor) -> str:
    """Encode an image as a `data:` address.

    Args:
        image: `(C, H, W)`, uint8, C of 1 or 3.

    Returns:
        A PNG, at most 96 pixels on its longer side.

    Examples:
        >>> import torch
        >>> picture(torch.zeros(1, 8, 8, dtype=torch.uint8))[:22]
        'data:image/png;base64,'
    """
    from PIL import Image

    pixels = image.permute(1, 2, 0).cpu().numpy()
    shown = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    shown.thumbnail((LARGEST, LARGEST))
    file = io.BytesIO()
    shown.save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def sprite_sheets(images: Tensor) -> list[str]:
    """Pack many images into few sheets, to be cut up where they are shown.

    Args:
        images: `(N, C, H, W)`, uint8, C of 1 or 3.

    Returns:
        sheets as base64 of WebP, of 1,600 sprites each: 40 in a row, 24 pixels a side.

    Examples:
        >>> import torch
        >>> len(sprite_sheets(torch.zeros(1601, 1, 8, 8, dtype=torch.uint8)))
        2
    """
    return [_sheet(chunk) for chunk in torch.split(images, TILES * TILES)]


def _sheet(images: Tensor) -> str:
    from PIL import Image

    tiles = F.interpolate(images.float(), (TILE, TILE), mode="bilinear", antialias=True)
    sheet = torch.zeros(TILES * TILES, len(images[0]), TILE, TILE, dtype=torch.uint8)
    sheet[: len(images)] = tiles.round().clamp(0, 255)
    rows = sheet.view(TILES, TILES, -1, TILE, TILE).permute(0, 3, 1, 4, 2)
    pixels = rows.reshape(TILES * TILE, TILES * TILE, -1).numpy()
    file = io.BytesIO()
    shown = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    shown.save(file, "WEBP", quality=50, method=2)
    return base64.b64encode(file.getvalue()).decode()
