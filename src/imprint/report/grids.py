"""Maps, patches and heat as small pictures, to be enlarged without a blur."""

import base64
import io
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.report.pictures import to_look_at

__all__ = ["Grid", "largest", "map_grid", "overlay", "signed_colours", "tile_grid"]

ENDS = ("#b5dcff", "#3d86cc", "#14181d", "#c8601c", "#ffcf9c")
"""From the least through zero to the largest: blue, black, orange, which most can tell apart."""

LEVELS = 126
"""Shades on either side of zero."""

FREE, GAP = (0, 0, 0, 0), (128, 136, 144, 120)
"""What no tile fills, and what parts two of them, on light pages and dark: the palette's start."""

ZERO, BROKEN = 2 + LEVELS, (255, 0, 255)
"""The place of zero in the palette; the colour of what is no number, at its end."""

SMALLEST = 12
"""Pixels of a tile's side below which its pixels are repeated, so that gaps stay thin."""

CUT = 0.005
"""Share of the values that may lie beyond a scale's end."""


class Grid(NamedTuple):
    """A picture of tiles.

    Attributes:
        source: a PNG as a `data:` address.
        columns: tiles in a row.
        rows: of tiles.
        note: what is said of it.
    """

    source: str
    columns: int
    rows: int
    note: str


def largest(maps: Tensor) -> float:
    """Give the magnitude at which a scale of signed values ends.

    Args:
        maps: floats of any shape.

    Returns:
        the largest magnitude but for half a percent of the values that are not zero; 1 where all
        are zero.

    Examples:
        >>> largest(torch.tensor([0.0, -2.0, 1.0]))
        2.0
    """
    sizes = maps.float().abs().flatten()
    sizes = sizes[sizes.isfinite() & (sizes > 0)]
    if not len(sizes):
        return 1.0
    return float(sizes.kthvalue(max(1, round(len(sizes) * (1 - CUT)))).values)


def signed_colours(values: Tensor, scale: float) -> Tensor:
    """Colour signed values: blue below zero, black at it, orange above.

    Args:
        values: `(H, W)`, floats.
        scale: the magnitude at the ends.

    Returns:
        `(3, H, W)`, uint8.

    Examples:
        >>> signed_colours(torch.tensor([[0.0]]), 1.0).flatten()
        tensor([20, 24, 29], dtype=torch.uint8)
    """
    colours = torch.tensor(_palette(), dtype=torch.uint8)
    return colours[_levels(values, scale).long()].movedim(-1, 0)


def map_grid(maps: Tensor, *, scale: float, note: str, columns: int = 16, side: int = 64) -> Grid:
    """Lay a layer's maps side by side in signed colours with one scale.

    Args:
        maps: `(M, h, w)`, floats.
        scale: the magnitude at which colours end.
        note: what is said of the picture.
        columns: tiles in a row, at most.
        side: pixels of a tile's longer side, at most; larger maps are averaged down.

    Returns:
        The grid; gaps are of a clear grey, and what no tile fills is transparent.

    Examples:
        >>> map_grid(torch.randn(20, 4, 4), scale=1.0, note="a layer").rows
        2
    """
    tiles = _repeated(_levels(_shrunk(maps.float(), side), scale))
    columns = min(columns, len(tiles))
    return Grid(
        _indexed(_laid_out(tiles, columns, gap=1)), columns, -(-len(tiles) // columns), note
    )


def tile_grid(tiles: Sequence[Tensor], *, note: str, columns: int = 3, side: int = 48) -> Grid:
    """Lay small pictures side by side.

    Args:
        tiles: `(C, h, w)` each, uint8, C of 1 or 3, or of 2 for sound, of any sizes.
        note: what is said of the picture.
        columns: tiles in a row, at most.
        side: pixels of a tile's longer side, at most; larger ones are averaged down.

    Returns:
        The grid; gaps, and what smaller tiles leave free, are transparent.

    Examples:
        >>> tiles = [torch.zeros(1, 3, 3).byte(), torch.zeros(1, 2, 3).byte()]
        >>> tile_grid(tiles, note="two patches").columns
        2
    """
    seen = [to_look_at(tile[None])[0].float() for tile in tiles]
    shown = [_repeated(_shrunk(tile, side)).round().expand(3, -1, -1) for tile in seen]
    height, width = (max(tile.shape[axis] for tile in shown) for axis in (1, 2))
    opaque = [F.pad(torch.cat((tile, torch.full_like(tile[:1], 255))), _rest(tile, height, width))
              for tile in shown]  # fmt: skip
    columns = min(columns, len(tiles))
    pixels = _laid_out(torch.stack(opaque).byte(), columns, gap=0)
    return Grid(_coloured(pixels), columns, -(-len(tiles) // columns), note)


def overlay(image: Tensor, heat: Tensor, *, note: str) -> Grid:
    """Lay signed heat over an image in grey.

    Args:
        image: `(C, H, W)`, uint8, C of 1 or 3.
        heat: `(H, W)`, in [-1, 1]: orange above zero, blue below, the clearer the larger.
        note: what is said of the picture.

    Returns:
        A grid of one tile.

    Examples:
        >>> overlay(torch.zeros(1, 2, 2).byte(), torch.eye(2), note="heat").rows
        1
    """
    grey = image.float().mean(0) * 0.7 + 30
    tints = torch.tensor([[77.0, 163.0, 255.0], [255.0, 140.0, 40.0]])
    tint = tints[(heat > 0).long()].movedim(-1, 0)
    share = (heat.abs().clamp_max(1) * 0.85)[None]
    mixed = grey * (1 - share) + tint * share
    opaque = torch.cat((mixed, torch.full_like(mixed[:1], 255)))
    return Grid(_coloured(opaque.round().clamp(0, 255).byte()), 1, 1, note)


@cache
def _palette() -> tuple[tuple[int, ...], ...]:
    """Free and gap, then all shades from the least to the largest, then what is no number."""
    ends = [[int(end[k : k + 2], 16) for k in (1, 3, 5)] for end in ENDS]
    places = np.linspace(0, 2 * LEVELS, len(ENDS))
    at = np.arange(2 * LEVELS + 1)
    shades = np.stack([np.interp(at, places, channel) for channel in zip(*ends, strict=True)], 1)
    return (
        FREE[:3],
        GAP[:3],
        *(tuple(int(part) for part in row) for row in shades.round()),
        BROKEN,
    )


def _levels(values: Tensor, scale: float) -> Tensor:
    """Places in the palette, uint8; the last one for what is no number."""
    levels = (values / scale).clamp(-1, 1) * LEVELS + ZERO
    return levels.round().where(values.isfinite(), ZERO + LEVELS + 1).nan_to_num().byte()


def _shrunk(tiles: Tensor, side: int) -> Tensor:
    """Average down what is larger than a side; what is no number stays such."""
    height, width = tiles.shape[1:]
    part = side / max(height, width)
    if part >= 1:
        return tiles
    size = (max(1, round(height * part)), max(1, round(width * part)))
    return F.interpolate(tiles[None], size, mode="area")[0]


def _repeated(tiles: Tensor) -> Tensor:
    """Repeat the pixels of small tiles `(M, h, w)`."""
    times = -(-SMALLEST // max(tiles.shape[1:]))
    return tiles.repeat_interleave(times, 1).repeat_interleave(times, 2)


def _rest(tile: Tensor, height: int, width: int) -> tuple[int, int, int, int]:
    """What is free around a tile that stands in the middle."""
    left, top = (width - tile.shape[2]) // 2, (height - tile.shape[1]) // 2
    return left, width - tile.shape[2] - left, top, height - tile.shape[1] - top


def _laid_out(tiles: Tensor, columns: int, gap: int) -> Tensor:
    """Tiles `(M, …, h, w)` in rows, a pixel of the gap's value between them; 0 where none is."""
    spaced = F.pad(tiles, (0, 1, 0, 1), value=gap)
    missing = -len(tiles) % columns
    if missing:
        free = torch.zeros_like(spaced[:1]).expand(missing, *spaced.shape[1:])
        spaced = torch.cat((spaced, free))
    rows = [torch.cat(list(row), dim=-1) for row in torch.split(spaced, columns)]
    return torch.cat(rows, dim=-2)[..., :-1, :-1]


def _indexed(levels: Tensor) -> str:
    """Levels `(H, W)` as a PNG with our palette."""
    from PIL import Image

    shown = Image.fromarray(levels.numpy(), "P")
    shown.putpalette([part for colour in _palette() for part in colour])
    return _address(shown, transparency=bytes((FREE[3], GAP[3])))


def _coloured(pixels: Tensor) -> str:
    """Pixels `(4, H, W)`, the last one opacity, as a PNG."""
    from PIL import Image

    return _address(Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy()))


def _address(shown: Any, **options: Any) -> str:
    file = io.BytesIO()
    shown.save(file, "PNG", optimize=True, **options)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
