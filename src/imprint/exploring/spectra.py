"""A short description of an image that shifts and brightness leave alone, and a check of pairs."""

from collections.abc import Sequence
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.errors import InvalidValueError

__all__ = [
    "aligned_correlation",
    "profile_correlation",
    "profiles",
    "shrink",
    "spectrum",
    "thumbnails",
]

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


def spectrum(grey: Tensor, *, window: bool = False) -> Tensor:
    """Describe images by the strengths of their low waves, which a shift hardly changes.

    Args:
        grey: `(N, 1, H, W)`, floats, as `thumbnails` gives them.
        window: whether what lies near the border is to count for less, so that a shift that moves
            something out of the frame changes little; noise then changes more.

    Returns:
        `(N, D)`, float32, of length 1; zeros for an image of one colour. D is 162 from 18 pixels a
        side on, less below.

    Source: the shift theorem of the Fourier transform; Hann's window; the root evens out strong and
    weak waves.

    Examples:
        >>> image = torch.zeros(1, 1, 28, 28)
        >>> image[..., 10:16, 12:14] = 1
        >>> moved = 0.5 * image.roll((1, 1), (2, 3)) + 0.1
        >>> bool((spectrum(image) * spectrum(moved)).sum() > 0.99)
        True
    """
    height, width = grey.shape[2:]
    weight = _hann(height)[:, None] * _hann(width) if window else torch.ones(height, width)
    mean = (grey * weight).sum((2, 3), keepdim=True) / weight.sum()
    pixels = ((grey - mean) * weight)[:, 0]
    waves = torch.fft.rfft2(pixels).abs()
    rows = min(FREQUENCIES, (pixels.shape[1] + 1) // 2)
    columns = min(FREQUENCIES, waves.shape[2])
    low = torch.cat((waves[:, :rows, :columns], waves[:, -rows:, :columns]), 1).flatten(1)
    low = low.where(low > 1e-4, 0)  # of rounding, where an image has one colour
    return F.normalize(low.sqrt(), dim=1)


def _hann(side: int) -> Tensor:
    """Hann's window: what enters or leaves at the border then counts for little."""
    return torch.sin(torch.pi * (torch.arange(side) + 0.5) / side).square()


def aligned_correlation(left: Tensor, right: Tensor, *, reach: int = SHIFT) -> Tensor:
    """Correlate pairs of images at the best of all shifts by a few pixels.

    Args:
        left: `(N, 1, H, W)`, floats.
        right: `(N, 1, H, W)`, the other image of each pair.
        reach: pixels of the largest shift; a quarter of a side at most.

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
    rows, columns = (min(reach, (side - 1) // 4) for side in left.shape[2:])
    shifts = list(product(range(-rows, rows + 1), range(-columns, columns + 1)))
    one, other = (images[:, 0] - images.mean((2, 3))[..., None] for images in (left, right))
    products = _products(one, other, shifts).double()
    count, left_sums, left_squares = _overlap_sums(one, shifts, 1)
    count, right_sums, right_squares = _overlap_sums(other, shifts, -1)
    left_spread = (left_squares - left_sums.square() / count).clamp_min(0)
    right_spread = (right_squares - right_sums.square() / count).clamp_min(0)
    shared = products - left_sums * right_sums / count
    norms = (left_spread * right_spread).sqrt()
    correlation = torch.where(norms < 1e-5, 0.0, shared / norms.clamp_min(1e-9))
    return correlation.clamp(-1, 1).amax(1).float()


def profiles(grey: Tensor) -> tuple[Tensor, Tensor]:
    """Sum images up along each axis.

    Args:
        grey: `(N, 1, H, W)`, floats.

    Returns:
        the means of the columns `(N, W)` and of the rows `(N, H)`, float16.

    Examples:
        >>> profiles(torch.ones(1, 1, 2, 3))[1]
        tensor([[1., 1.]], dtype=torch.float16)
    """
    return grey[:, 0].mean(1).half(), grey[:, 0].mean(2).half()


def profile_correlation(
    left: tuple[Tensor, Tensor], right: tuple[Tensor, Tensor], *, reach: int = SHIFT
) -> Tensor:
    """Correlate pairs by their profiles, each axis at its best shift: quick, and seldom too low.

    Args:
        left: as `profiles` gives them.
        right: of the other image of each pair.
        reach: pixels of the largest shift; a quarter of a side at most.

    Returns:
        `(N,)`, in [-1, 1]: the lower of the two axes' correlations.

    Examples:
        >>> image = torch.rand(1, 1, 28, 28)
        >>> bool(profile_correlation(profiles(image), profiles(image.roll(1, 3))) > 0.99)
        True
    """
    axes = [
        _best_along(one.float(), other.float(), min(reach, (one.shape[1] - 1) // 4))
        for one, other in zip(left, right, strict=True)
    ]
    return torch.minimum(*axes)


def _best_along(left: Tensor, right: Tensor, reach: int) -> Tensor:
    """The best correlation of rows over shifts; 1 where neither varies, as far as that tells."""
    side = left.shape[1]
    best = torch.full((len(left),), -1.0)
    for shift in range(-reach, reach + 1):
        one = left[:, max(0, shift) : side + min(0, shift)]
        other = right[:, max(0, -shift) : side + min(0, -shift)]
        one, other = (rows - rows.mean(1, keepdim=True) for rows in (one, other))
        norms = one.norm(dim=1) * other.norm(dim=1)
        even = norms < 1e-4
        own = torch.where(even, 1.0, (one * other).sum(1) / norms.clamp_min(1e-4))
        best = torch.maximum(best, own)
    return best.clamp(-1, 1)


def _products(left: Tensor, right: Tensor, shifts: Sequence[tuple[int, int]]) -> Tensor:
    """Sums of the products of two images, one shifted, `(N, S)`: their cross-correlation."""
    reach = max(max(shift) for shift in shifts)
    size = [side + reach for side in left.shape[1:]]  # black beyond the frame: nothing comes round
    waves = torch.fft.rfft2(left, size) * torch.fft.rfft2(right, size).conj()
    table = torch.fft.irfft2(waves, size)
    return torch.stack([table[:, down % size[0], across % size[1]] for down, across in shifts], 1)


def _overlap_sums(
    images: Tensor, shifts: Sequence[tuple[int, int]], sign: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The pixels' number `(S,)`, sum and sum of squares `(N, S)` where shifted images overlap."""
    height, width = images.shape[1:]
    tables = [_running_sums(values) for values in (images, images.square())]
    counts, sums = [], []
    for down, across in shifts:
        (top, bottom), (start, end) = (
            (max(0, sign * n), side + min(0, sign * n))
            for n, side in ((down, height), (across, width))
        )
        counts.append((bottom - top) * (end - start))
        sums.append(
            [
                t[:, bottom, end] - t[:, top, end] - t[:, bottom, start] + t[:, top, start]
                for t in tables
            ]
        )
    first, second = (torch.stack(column, 1) for column in zip(*sums, strict=True))
    return torch.tensor(counts), first, second


def _running_sums(values: Tensor) -> Tensor:
    """Sums over all rectangles from the upper left corner, `(N, H+1, W+1)`, float64."""
    return F.pad(values.double().cumsum(1).cumsum(2), (1, 0, 1, 0))
