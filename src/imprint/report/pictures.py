"""Images as text within a page."""

import base64
import io
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Shown", "picture", "sprite_sheets", "to_look_at"]

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
        image: `(C, H, W)`, uint8, C of 1 or 3, or of 2 for sound.

    Returns:
        A PNG, at most 96 pixels on its longer side; of sound, see `to_look_at`.

    Examples:
        >>> import torch
        >>> picture(torch.zeros(1, 8, 8, dtype=torch.uint8))[:22]
        'data:image/png;base64,'
    """
    from PIL import Image

    pixels = to_look_at(image[None])[0].permute(1, 2, 0).cpu().numpy()
    shown = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    shown.thumbnail((LARGEST, LARGEST))
    file = io.BytesIO()
    shown.save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def to_look_at(images: Tensor) -> Tensor:
    """Bring images of sound, two channels, to one that can be looked at.

    Args:
        images: `(N, C, H, W)`, uint8.

    Returns:
        Grey squares for C of 2: log-mel above chroma, the lowest frequency at the bottom of each.
        Others as they are.

    Examples:
        >>> import torch
        >>> to_look_at(torch.zeros(3, 2, 64, 469, dtype=torch.uint8)).shape
        torch.Size([3, 1, 128, 128])
    """
    if images.shape[1] != 2:
        return images
    stacked = images.flip(2).flatten(1, 2)[:, None].float()
    side = stacked.shape[2]
    shown = F.interpolate(stacked, (side, side), mode="bilinear", antialias=True)
    return shown.round_().clamp_(0, 255).to(torch.uint8)


def sprite_sheets(images: Tensor) -> list[str]:
    """Pack many images into few sheets, to be cut up where they are shown.

    Args:
        images: `(N, C, H, W)`, uint8, C of 1 or 3, or of 2 for sound.

    Returns:
        sheets as base64 of WebP, of 1,600 sprites each: 40 in a row, 24 pixels a side.

    Examples:
        >>> import torch
        >>> len(sprite_sheets(torch.zeros(1601, 1, 8, 8, dtype=torch.uint8)))
        2
    """
    return [_sheet(to_look_at(chunk)) for chunk in torch.split(images, TILES * TILES)]


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
