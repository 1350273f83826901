"""Augmentations of images of sound, none of which moves a pitch: pure functions."""

import torch
from torch import Tensor

from imprint.errors import InvalidValueError

__all__ = ["crop_frames", "mask_spans", "roll_time", "shift_level"]

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
    first = _drawn(length - frames + 1, number, generator)
    return _frames_from(images, first[:, None] + torch.arange(frames, device=first.device))


def roll_time(images: Tensor, *, generator: torch.Generator) -> Tensor:
    """Begin each sound at a place of its own; what lies before it follows at the end.

    Args:
        images: `(N, C, H, T)`, any type.
        generator: draws the places, uniformly.

    Returns:
        the same shape and type.

    Examples:
        >>> images = torch.arange(4).view(1, 1, 1, 4)
        >>> roll_time(images, generator=torch.Generator().manual_seed(1)).flatten()
        tensor([1, 2, 3, 0])
    """
    length = images.shape[-1]
    first = _drawn(length, len(images), generator)
    return _frames_from(
        images, (first[:, None] + torch.arange(length, device=first.device)) % length
    )


def _drawn(end: int, number: int, generator: torch.Generator) -> Tensor:
    return torch.randint(end, (number,), generator=generator, device=generator.device)


def _frames_from(images: Tensor, places: Tensor) -> Tensor:
    """The frames of each image at its places `(N, T)`."""
    index = places.to(images.device)[:, None, None].expand(-1, *images.shape[1:3], -1)
    return images.gather(3, index)


def shift_level(images: Tensor, decibels: float, *, generator: torch.Generator) -> Tensor:
    """Make each sound louder or quieter above the floor of its image, as other recordings are.

    Args:
        images: `(N, 2, H, T)`, floats in [0, 1] or bytes, log-mel first, which alone is shifted.
        decibels: of the largest shift, at least 0, of 80 from floor to peak.
        generator: draws the shifts, uniformly in both directions.

    Returns:
        the same shape, type and range.

    Raises:
        InvalidValueError: for another number of channels.

    Examples:
        >>> images = torch.full((1, 2, 12, 4), 0.5)
        >>> shifted = shift_level(images, 8.0, generator=torch.Generator().manual_seed(0))
        >>> bool((shifted[:, 0] - 0.5).abs().max() <= 0.1), bool((shifted[:, 1] == 0.5).all())
        (True, True)
    """
    if images.ndim != 4 or images.shape[1] != 2:
        expected = "log-mel and chroma of sounds (N, 2, H, T), to shift their level"
        raise InvalidValueError(f"images: expected {expected}, got {tuple(images.shape)}")
    draws = torch.rand(len(images), 1, 1, generator=generator, device=generator.device)
    peak, level = (1, images[:, 0]) if images.is_floating_point() else (255, images[:, 0].float())
    moved = level + ((2 * draws - 1) * decibels / DEPTH * peak).to(level)
    moved = moved if images.is_floating_point() else moved.round()
    shifted = images.clone()
    shifted[:, 0] = moved.clamp(0, peak)
    return shifted


def mask_spans(images: Tensor, *, bands: int, frames: int, generator: torch.Generator) -> Tensor:
    """Blank a span of bands and a span of time in each sound.

    Args:
        images: `(N, C, H, T)`, any type.
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
    lengths = _drawn(widest + 1, number, generator)[:, None]
    draws = torch.rand(number, 1, generator=generator, device=generator.device)
    first = (draws * (size - lengths + 1)).long()
    places = torch.arange(size, device=draws.device)
    return (places >= first) & (places < first + lengths)
