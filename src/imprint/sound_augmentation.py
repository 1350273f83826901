"""Augmentations of images of sound, none of which moves a pitch: pure functions."""

import torch
from torch import Tensor

from imprint.errors import InvalidValueError

__all__ = ["crop_frames", "mask_spans", "shift_level"]

DEPTH = 80.0
"""Decibels from 0 to 1 in a log-mel image, as usual."""


def crop_frames(images: Tensor, frames: int, *, generator: torch.Generator) -> Tensor:
    """Cut a stretch of time out of each sound, from a place of its own.

    Args:
        images: `(N, C, H, T)`.
        frames: how many stay, in `1 … T`.
        generator: draws the places, uniformly.

    Returns:
        `(N, C, H, frames)`.

    Raises:
        InvalidValueError: for frames out of range.

    Examples:
        >>> crop_frames(torch.zeros(2, 2, 64, 100), 60, generator=torch.Generator()).shape
        torch.Size([2, 2, 64, 60])
    """
    number, length = len(images), images.shape[-1]
    if not 1 <= frames <= length:
        raise InvalidValueError(f"frames: expected 1 … {length}, got {frames}")
    first = torch.randint(length - frames + 1, (number,), generator=generator)
    places = (first[:, None] + torch.arange(frames)).to(images.device)
    index = places[:, None, None].expand(-1, *images.shape[1:3], -1)
    return images.gather(3, index)


def shift_level(images: Tensor, decibels: float, *, generator: torch.Generator) -> Tensor:
    """Make each sound louder or quieter above the floor of its image, as other recordings are.

    Args:
        images: `(N, 2, H, T)`, floats in [0, 1], log-mel first, which alone is shifted.
        decibels: of the largest shift, at least 0, of 80 from floor to peak.
        generator: draws the shifts, uniformly in both directions.

    Returns:
        the same shape, in [0, 1].

    Examples:
        >>> images = torch.full((1, 2, 12, 4), 0.5)
        >>> shifted = shift_level(images, 8.0, generator=torch.Generator().manual_seed(0))
        >>> bool((shifted[:, 0] - 0.5).abs().max() <= 0.1), bool((shifted[:, 1] == 0.5).all())
        (True, True)
    """
    draws = 2 * torch.rand(len(images), 1, 1, generator=generator) - 1
    shifted = images.clone()
    shifted[:, 0] = (images[:, 0] + (draws * decibels / DEPTH).to(images)).clamp(0, 1)
    return shifted


def mask_spans(images: Tensor, *, bands: int, frames: int, generator: torch.Generator) -> Tensor:
    """Blank a span of bands and a span of time in each sound.

    Args:
        images: `(N, C, H, T)`.
        bands: of the widest span, in `0 … H`.
        frames: of the longest, in `0 … T`.
        generator: draws lengths, then places, uniformly.

    Returns:
        the same shape.

    Raises:
        InvalidValueError: for a span out of range.

    Source: Park et al. (2019), "SpecAugment", without its warping of time.

    Examples:
        >>> ones = torch.ones(1, 1, 8, 8)
        >>> masked = mask_spans(ones, bands=4, frames=0, generator=torch.Generator().manual_seed(1))
        >>> bool((masked.mean(3) % 1 == 0).all())
        True
    """
    height, length = images.shape[2:]
    for name, widest, size in (("bands", bands, height), ("frames", frames, length)):
        if not 0 <= widest <= size:
            raise InvalidValueError(f"{name}: expected 0 … {size}, got {widest}")
    blank = (
        _span(len(images), height, bands, generator)[:, None, :, None]
        | _span(len(images), length, frames, generator)[:, None, None, :]
    )
    return images.masked_fill(blank.to(images.device), 0)


def _span(number: int, size: int, widest: int, generator: torch.Generator) -> Tensor:
    """`(number, size)`, true in one span of each row."""
    lengths = torch.randint(widest + 1, (number, 1), generator=generator)
    first = (torch.rand(number, 1, generator=generator) * (size - lengths + 1)).long()
    places = torch.arange(size)
    return (places >= first) & (places < first + lengths)
