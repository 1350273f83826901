"""Maps as images: each channel one, or all channels of a sample together."""

from typing import Literal, get_args

import torch
from torch import Tensor

from imprint.data.scaling import fit_images
from imprint.errors import InvalidValueError

__all__ = ["Form", "check_form", "images_an_input", "map_images", "map_planes"]

Form = Literal["each", "mean", "energy"]

CHUNK_BYTES = 1 << 24
"""Bytes of maps worked on at a time."""


def map_images(maps: Tensor, form: Form, shape: tuple[int, int, int]) -> Tensor:
    """Make images for a network out of maps.

    Args:
        maps: `(N, C, H, W)`, floats.
        form: as for `map_planes`.
        shape: channels, height and width of the images that the network takes.

    Returns:
        `(N·C, *shape)` for `each`, an image's channels one after the other, else `(N, *shape)`;
        float32, resized by bilinear interpolation, the same in each channel.

    Raises:
        InvalidValueError: for an unknown form, or what are no maps.

    Examples:
        >>> map_images(torch.ones(2, 10, 12, 12), "each", (3, 28, 28)).shape
        torch.Size([20, 3, 28, 28])
    """
    return fit_images(map_planes(maps, form), shape)


def map_planes(maps: Tensor, form: Form) -> Tensor:
    """Make one-channel images out of maps, at the maps' own size.

    Args:
        maps: `(N, C, H, W)`, floats; they may lie in a file.
        form: `each`, every channel an image; `mean`, of all channels; `energy`, the mean of their
            absolute values.

    Returns:
        `(N·C, 1, H, W)` for `each`, a view where the layout allows; else `(N, 1, H, W)`; in the
        maps' own type, means taken in float32.

    Raises:
        InvalidValueError: for an unknown form, or what are no maps.

    Source: the paper's section 5.1 for the energy, `E_i = sum |F_i|` of a channel i; over the
        channels it is averaged here, place by place.

    Examples:
        >>> maps = torch.tensor([-1.0, 3.0]).view(1, 2, 1, 1)
        >>> [map_planes(maps, form).flatten().tolist() for form in ("each", "mean", "energy")]
        [[-1.0, 3.0], [1.0], [2.0]]
    """
    check_form(form)
    if maps.ndim != 4 or not maps.is_floating_point():
        got = f"{tuple(maps.shape)} of {maps.dtype}"
        raise InvalidValueError(f"maps: expected floats (N, C, H, W), got {got}")
    count, channels, height, width = maps.shape
    if form == "each":
        return maps.reshape(count * channels, 1, height, width)
    planes = torch.empty(count, 1, height, width, dtype=maps.dtype)
    step = max(1, CHUNK_BYTES // max(1, 4 * maps[0].numel()))
    for chunk, plane in zip(torch.split(maps, step), torch.split(planes, step), strict=True):
        floats = chunk.float()
        plane.copy_((floats.abs() if form == "energy" else floats).mean(1, keepdim=True))
    return planes


def images_an_input(form: Form, channels: int) -> int:
    """Count the images that one image's maps make.

    Args:
        form: as for `map_planes`.
        channels: C.

    Returns:
        C for `each`, else 1.

    Examples:
        >>> images_an_input("each", 10), images_an_input("mean", 10)
        (10, 1)
    """
    return channels if form == "each" else 1


def check_form(form: str) -> None:
    """Check the name of a form.

    Args:
        form: what the user gave.

    Raises:
        InvalidValueError: for another than the three.

    Examples:
        >>> check_form("mean")
    """
    if form not in get_args(Form):
        expected = ", ".join(get_args(Form))
        raise InvalidValueError(f"form: expected one of {expected}; got {form!r}")
