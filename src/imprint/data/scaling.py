"""From bytes to what a network takes: normalised float32; and images of another size."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.types import Normalisation

__all__ = ["normalisation", "normalise", "resize"]

CHUNK_BYTES = 1 << 23
"""Bytes of images worked on at a time, so that little memory is needed beside them."""


def normalisation(images: Tensor) -> Normalisation:
    """Measure the mean and the standard deviation of each channel over a data set.

    Exact: computed from the counts of the 256 values.

    Args:
        images: `(N, C, H, W)`, uint8, at least one.

    Returns:
        both of pixels scaled to [0, 1]; the population's deviation, and 1 where a channel never
        varies, so that nothing divides by zero.

    Raises:
        InvalidValueError: for another type or shape, or no image.

    Examples:
        >>> normalisation(torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1))
        Normalisation(mean=(0.5,), std=(0.5,))
    """
    _check_images(images)
    counts = torch.zeros(images.shape[1], 256, dtype=torch.int64)
    for chunk in _chunks(images):
        for channel in range(len(counts)):
            counts[channel] += chunk[:, channel].flatten().bincount(minlength=256).cpu()
    values = torch.arange(256, dtype=torch.float64) / 255
    share = counts / counts.sum(1, keepdim=True, dtype=torch.float64)
    mean = share @ values
    variance = (share * (values - mean[:, None]) ** 2).sum(1)
    std = torch.where((counts > 0).sum(1) > 1, variance.sqrt(), 1.0)
    return Normalisation(tuple(mean.tolist()), tuple(std.tolist()))


def normalise(
    images: Tensor, normalisation: Normalisation, *, channels_last: bool = False
) -> Tensor:
    """Scale bytes to [0, 1], take off the mean and divide by the standard deviation.

    Args:
        images: `(N, C, H, W)`, uint8.
        normalisation: a mean and a deviation for each channel, of pixels in [0, 1].
        channels_last: lay the result out in memory as `(N, H, W, C)`; its shape stays.

    Returns:
        `(N, C, H, W)`, float32, on the device of the images.

    Raises:
        InvalidValueError: for another type or shape, or another number of channels.

    Examples:
        >>> images = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)
        >>> normalise(images, Normalisation((0.5,), (0.5,))).flatten()
        tensor([-1.,  1.])
    """
    _check_images(images)
    channels = images.shape[1]
    if {len(normalisation.mean), len(normalisation.std)} != {channels}:
        got = f"{len(normalisation.mean)} and {len(normalisation.std)}"
        raise InvalidValueError(
            f"normalisation: expected {channels} means and deviations, one a channel; got {got}"
        )
    mean, std = images.new_tensor(normalisation, dtype=torch.float32).view(2, 1, channels, 1, 1)
    # In place, while the batch is in the cache: as fast as one fused pass, 2 % of a training step.
    floats = images.float().sub_(mean * 255).mul_(1 / (std * 255))
    return floats.contiguous(memory_format=torch.channels_last) if channels_last else floats


def resize(images: Tensor, side: int) -> Tensor:
    """Resize images to squares, bilinear with antialiasing.

    Args:
        images: `(N, C, H, W)`, uint8.
        side: in pixels.

    Returns:
        `(N, C, side, side)`, uint8.

    Raises:
        InvalidValueError: for another type or shape.

    Examples:
        >>> resize(torch.zeros(2, 1, 28, 28, dtype=torch.uint8), 32).shape
        torch.Size([2, 1, 32, 32])
    """
    _check_images(images)
    sized = torch.empty(*images.shape[:2], side, side, dtype=torch.uint8)
    start = 0
    for chunk in _chunks(images):
        floats = F.interpolate(chunk.float(), (side, side), mode="bilinear", antialias=True)
        sized[start : start + len(chunk)] = floats.round_().clamp_(0, 255)
        start += len(chunk)
    return sized


def _check_images(images: Tensor) -> None:
    if images.ndim != 4 or images.dtype != torch.uint8 or not images.numel():
        got = f"{tuple(images.shape)} of {images.dtype}"
        raise InvalidValueError(f"images: expected (N, C, H, W) of torch.uint8, got {got}")


def _chunks(images: Tensor) -> Iterator[Tensor]:
    yield from torch.split(images, max(1, CHUNK_BYTES // images[0].numel()))
