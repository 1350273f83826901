"""A short description of an image that shifts and brightness leave alone, and a check of pairs."""

import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.errors import InvalidValueError

__all__ = ["aligned_correlation", "shrink", "spectrum", "thumbnails"]

SIDE = 32
"""Pixels of a thumbnail's longer side at most."""

FREQUENCIES = 9
"""Waves across an image that a spectrum tells apart, less one."""

SHIFT = 3
"""Pixels of a thumbnail by which a near duplicate may be shifted."""


def shrink(images: Tensor, side: int) -> Tensor:
    """Bring images down to at most so many pixels on the longer side; smaller ones stay.

    Args:
        images: `(N, C, H, W)`, uint8.
        side: in pixels.

    Returns:
        `(N, C, h, w)`, float32, in [0, 255]: means over areas.

    Raises:
        InvalidValueError: for another shape or type.

    Examples:
        >>> shrink(torch.zeros(2, 3, 64, 48, dtype=torch.uint8), 32).shape
        torch.Size([2, 3, 32, 24])
    """
    if images.ndim != 4 or images.dtype != torch.uint8:
        got = f"{tuple(images.shape)} of {images.dtype}"
        raise InvalidValueError(f"images: expected (N, C, H, W) of torch.uint8, got {got}")
    longer = max(images.shape[2:])
    if longer <= side:
        return images.float()
    size = [max(1, round(own * side / longer)) for own in images.shape[2:]]
    return F.interpolate(images.float(), size, mode="area")


def thumbnails(images: Tensor) -> Tensor:
    """Bring images to grey and to at most 32 pixels a side.

    Args:
        images: `(N, C, H, W)`, uint8.

    Returns:
        `(N, 1, h, w)`, float32, in [0, 1].

    Raises:
        InvalidValueError: for another shape or type.

    Examples:
        >>> thumbnails(torch.zeros(2, 3, 64, 48, dtype=torch.uint8)).shape
        torch.Size([2, 1, 32, 24])
    """
    return shrink(images, SIDE).mean(1, keepdim=True) / 255


def spectrum(grey: Tensor) -> Tensor:
    """Describe images by the strengths of their low waves, which a shift does not change.

    Args:
        grey: `(N, 1, H, W)`, floats, as `thumbnails` gives them.

    Returns:
        `(N, D)`, float32, of length 1; zeros for an image of one colour. D is 162 from 18 pixels a
        side on, less below.

    Source: the shift theorem of the Fourier transform; the root evens out strong and weak waves.

    Examples:
        >>> image = torch.rand(1, 1, 28, 28)
        >>> left, right = spectrum(image), spectrum(0.5 * image.roll((2, 1), (2, 3)) + 0.1)
        >>> torch.allclose(left, right, atol=1e-3)
        True
    """
    pixels = grey[:, 0] - grey.mean((1, 2, 3))[:, None, None]
    waves = torch.fft.rfft2(pixels).abs()
    rows = min(FREQUENCIES, (pixels.shape[1] + 1) // 2)
    columns = min(FREQUENCIES, waves.shape[2])
    low = torch.cat((waves[:, :rows, :columns], waves[:, -rows:, :columns]), 1).flatten(1)
    low = low.where(low > 1e-4, 0)  # of rounding, where an image has one colour
    return F.normalize(low.sqrt(), dim=1)


def aligned_correlation(left: Tensor, right: Tensor) -> Tensor:
    """Correlate pairs of images at the best of all shifts by up to 3 pixels.

    Args:
        left: `(N, 1, H, W)`, floats.
        right: `(N, 1, H, W)`, the other image of each pair.

    Returns:
        `(N,)`, in [-1, 1]: Pearson's correlation of the pixels that both have; 0 where one has
        only one colour there.

    Raises:
        InvalidValueError: where the shapes differ.

    Examples:
        >>> image = torch.rand(1, 1, 28, 28)
        >>> bool(aligned_correlation(image, 0.5 * image.roll(2, 3) + 0.1) > 0.999)
        True
    """
    if left.shape != right.shape or left.ndim != 4:
        got = f"{tuple(left.shape)} and {tuple(right.shape)}"
        raise InvalidValueError(f"pairs: expected (N, 1, H, W) of one shape, got {got}")
    reach = [min(SHIFT, (side - 1) // 4) for side in left.shape[2:]]
    best = torch.full((len(left),), -1.0)
    for down in range(-reach[0], reach[0] + 1):
        for across in range(-reach[1], reach[1] + 1):
            one, other = _overlap(left, down, across), _overlap(right, -down, -across)
            best = torch.maximum(best, _correlation(one, other))
    return best


def _overlap(images: Tensor, down: int, across: int) -> Tensor:
    """What of images shifted so stays within the frame."""
    height, width = images.shape[2:]
    rows = slice(max(0, down), height + min(0, down))
    return images[..., rows, max(0, across) : width + min(0, across)].flatten(1)


def _correlation(left: Tensor, right: Tensor) -> Tensor:
    left, right = (rows - rows.mean(1, keepdim=True) for rows in (left, right))
    norms = left.norm(dim=1) * right.norm(dim=1)
    return torch.where(norms > 1e-6, (left * right).sum(1) / norms.clamp_min(1e-6), 0.0)
