"""Feature maps to signatures: the mean and standard deviation of each channel's magnitude."""

from typing import Literal, get_args

import torch
from torch import Tensor

from imprint.errors import InvalidValueError

__all__ = ["Deviation", "channels_first", "signature"]

CACHED = 1 << 17
"""Numbers of a buffer that a core keeps in its cache."""

Deviation = Literal["population", "paper"]
"""How the standard deviation divides: by P·Q under the root, or outside it as the paper prints."""

CANCELLED = 1e-3
"""Share of E[F²] below which E[F²] - m² has lost too many digits to be trusted in float32."""


def signature(maps: Tensor, *, deviation: Deviation = "population") -> Tensor:
    """Take the signature of each sample from a layer's output.

    For the map of channel i with P·Q positions the mean is `m_i = Σ|F_i| / PQ`, and the standard
    deviation is `s_i = √(Σ(|F_i| - m_i)² / PQ)` (`population`) or `s_i = √(Σ(|F_i| - m_i)²) / PQ`
    (`paper`). A dead channel gives zeros. Without positions, m is the magnitude and s is 0.

    Args:
        maps: feature maps `(N, C, H, W)`, tokens `(N, L, D)` or vectors `(N, D)`; any float type.
        deviation: `population`, or `paper` for the formula as printed.

    Returns:
        `(N, 2C)`, float32 (float64 for float64 maps), in the order m_0, s_0, m_1, s_1, …

    Raises:
        InvalidValueError: for another number of dimensions, an integer type, an empty map, or an
            unknown deviation.

    Source: "Understanding and expediting learning…" (2022), section 5.1; Park & Kim (2019).

    Examples:
        >>> maps = torch.tensor([[[[1.0, -3.0]], [[0.0, 0.0]]]])  # one sample, two channels
        >>> signature(maps)
        tensor([[2., 1., 0., 0.]])
        >>> signature(maps, deviation="paper")[0, 1].item()  # √2 / 2
        0.7071...
    """
    if deviation not in get_args(Deviation):
        raise InvalidValueError(f"deviation: expected population or paper, got {deviation!r}")
    flat = channels_first(maps)
    mean, variance = _magnitude_moments(flat)
    std = variance.sqrt()
    if deviation == "paper":
        std = std / flat.shape[2] ** 0.5
    return torch.stack((mean, std), dim=2).flatten(1)


def channels_first(maps: Tensor) -> Tensor:
    """View a layer's output as channels by positions.

    Args:
        maps: `(N, C, H, W)`, tokens `(N, L, D)` or vectors `(N, D)`; any float type.

    Returns:
        `(N, C, P)`: `(N, C, H·W)`, `(N, D, L)` or `(N, D, 1)`; a view wherever strides allow it.

    Raises:
        InvalidValueError: for another number of dimensions, an integer type or an empty map.

    Examples:
        >>> channels_first(torch.zeros(2, 3, 4, 5)).shape
        torch.Size([2, 3, 20])
        >>> channels_first(torch.zeros(2, 7, 16)).shape  # 7 tokens of width 16
        torch.Size([2, 16, 7])
    """
    if not maps.is_floating_point() or maps.ndim not in (2, 3, 4) or 0 in maps.shape[1:]:
        got = f"{tuple(maps.shape)} of {maps.dtype}"
        raise InvalidValueError(
            f"maps: expected floats (N, C, H, W), (N, L, D) or (N, D), got {got}"
        )
    if maps.ndim == 3:
        return maps.transpose(1, 2)
    if maps.ndim == 4 and not maps.is_contiguous():
        return maps.permute(0, 2, 3, 1).flatten(1, 2).transpose(1, 2)
    return maps.flatten(2) if maps.ndim == 4 else maps.unsqueeze(2)


def _magnitude_moments(flat: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and population variance of |F| over the positions of `(N, C, P)`, each `(N, C)`."""
    dtype = torch.promote_types(flat.dtype, torch.float32)
    positions = flat.shape[2]
    if positions == 1:
        magnitude = flat[:, :, 0].abs().to(dtype)
        return magnitude, torch.zeros_like(magnitude)
    sums, squares = _sums(flat, dtype)
    mean, square = sums / positions, squares / positions
    variance = square - mean.square()
    lost = variance < CANCELLED * square
    if bool(lost.any()):
        variance[lost] = _centred_variance(flat[lost].to(dtype))
    return mean, variance


def _sums(flat: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Sums of |F| and of F² over the positions of `(N, C, P)`, each `(N, C)`.

    |F|² = F², so two norms give both without storing |F|. On a CPU they read memory twice and sum
    slowly across channels; a part at a time, in a buffer that stays in the cache, is faster, most
    where channels lie last. Where a graph is recorded the norms are the ones that it can hold.
    """
    recorded = torch.compiler.is_compiling() or torch.onnx.is_in_onnx_export()
    if flat.device.type != "cpu" or flat.requires_grad or recorded:
        first = torch.linalg.vector_norm(flat, 1, dim=2, dtype=dtype)
        return first, torch.linalg.vector_norm(flat, 2, dim=2, dtype=dtype).square()
    sums = flat.new_empty(2, *flat.shape[:2], dtype=dtype)
    rows = max(1, torch.get_num_threads() * CACHED // max(1, flat[:1].numel()))
    buffer = torch.empty_like(flat[:rows], dtype=dtype)
    for start in range(0, len(flat), rows):
        part = flat[start : start + rows].to(dtype)
        magnitude = torch.abs(part, out=buffer[: len(part)])
        torch.sum(magnitude, 2, out=sums[0, start : start + rows])
        torch.sum(magnitude.square_(), 2, out=sums[1, start : start + rows])
    return sums[0], sums[1]


def _centred_variance(rows: Tensor) -> Tensor:
    """Population variance of |F| for nearly constant maps `(R, P)`, by two passes."""
    magnitude = rows.abs()
    pilot = magnitude[:, :1]  # a constant map then gives exactly 0
    return (magnitude - pilot).var(dim=1, correction=0)
