"""What can be told of an image without its class: brightness, contrast, sharpness, noise."""

from typing import NamedTuple

import torch
from torch import Tensor

from imprint.errors import InvalidValueError

__all__ = ["NOISE", "Quality", "quality"]

NOISE = 0.9
"""Roughness from which on an image is noise: of 60,000 images of Fashion-MNIST the roughest has
0.76, and white noise 0.93 to 1.05."""


class Quality(NamedTuple):
    """Four numbers an image.

    Attributes:
        brightness: `(N,)`, in [0, 1], the mean of its pixels.
        contrast: `(N,)`, in [0, 0.5], their standard deviation within a channel.
        sharpness: `(N,)`, in [0, 1], the root mean square difference of neighbouring pixels.
        roughness: `(N,)`, 0 for an even image, about 1 for white noise: half the mean square
            difference of neighbours over the variance.
    """

    brightness: Tensor
    contrast: Tensor
    sharpness: Tensor
    roughness: Tensor


def quality(images: Tensor) -> Quality:
    """Measure brightness, contrast, sharpness and roughness.

    Args:
        images: `(N, C, H, W)`, uint8.

    Returns:
        each `(N,)`, float32. An image of one colour has contrast, sharpness and roughness 0.

    Raises:
        InvalidValueError: for another shape or type.

    Source: roughness is von Neumann's ratio (1941), in two directions.

    Examples:
        >>> stripes = torch.tensor([0, 255] * 8, dtype=torch.uint8).view(1, 1, 4, 4)
        >>> [round(float(value), 2) for value in quality(stripes)]
        [0.5, 0.5, 0.71, 1.0]
    """
    if images.ndim != 4 or images.dtype != torch.uint8:
        got = f"{tuple(images.shape)} of {images.dtype}"
        raise InvalidValueError(f"images: expected (N, C, H, W) of torch.uint8, got {got}")
    pixels = images.float() / 255
    variance = (pixels - pixels.mean((2, 3), keepdim=True)).square().mean((1, 2, 3))
    steps = [_mean_square(pixels.diff(dim=axis)) for axis in (2, 3)]
    square = torch.stack(steps).nanmean(0).nan_to_num()
    even = variance < 1e-9
    roughness = torch.where(even, 0.0, square / (2 * variance.clamp_min(1e-9)))
    contrast = variance.sqrt().where(~even, 0.0)
    return Quality(pixels.mean((1, 2, 3)), contrast, square.sqrt(), roughness)


def _mean_square(steps: Tensor) -> Tensor:
    """Of the differences of neighbours; NaN where an image is one pixel thin."""
    return steps.square().mean((1, 2, 3))
