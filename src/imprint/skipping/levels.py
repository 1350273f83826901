"""Losses in a byte each, and a draw that knows nothing of a sample but its byte.

All that a plan computes runs over chunks of bytes, so that it needs no more memory for 10^8 samples
than for a million.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "HELD",
    "LEVELS",
    "UNKNOWN",
    "Chunks",
    "clear_flags",
    "count_levels",
    "draw_levels",
    "flags_at",
    "flags_of",
    "loss_of_level",
    "loss_to_level",
]

LEVELS = 256
"""Values of a byte."""

UNKNOWN = 255
"""Stands for a loss that is not known, or not a number: such a sample is loaded first."""

HELD = 254
"""Stands for a sample that is held back: it is loaded last."""

SMALLEST, LARGEST = 1e-6, 1e2
"""Losses in nats that the levels reach from and to."""

_REACH = math.log(LARGEST / SMALLEST)

TINY = 1e-30
"""Stands for a share of 0."""

DEVIATIONS = 8
"""Width, in 1/√n, of the band of a draw's closest decisions: far more than its count is off."""

Chunks = Callable[[], Iterator[Tensor]]
"""Gives the levels of all samples from the start, piece by piece, as often as it is asked."""


def loss_to_level(losses: Tensor) -> Tensor:
    """Store losses in a byte each, 254 levels of equal ratio (7.6 %) from 1e-6 to 100 nats.

    Args:
        losses: `(N,)`, floats, in nats.

    Returns:
        `(N,)`, uint8; 255 where a loss is not a number.

    Examples:
        >>> loss_to_level(torch.tensor([0.0, 1e-6, 1.0, 1e9, torch.nan]))
        tensor([  0,   0, 190, 253, 255], dtype=torch.uint8)
    """
    share = (losses.float().clamp(SMALLEST, LARGEST) / SMALLEST).log() / _REACH
    levels = (share * (HELD - 1)).round()
    return levels.where(~losses.isnan(), UNKNOWN).to(torch.uint8)


def loss_of_level(levels: Tensor) -> Tensor:
    """Undo `loss_to_level`, up to 4 %.

    Args:
        levels: `(N,)`, uint8.

    Returns:
        `(N,)`, float32, in nats; infinite where it is not known, 0 where a sample is held back.

    Examples:
        >>> loss_of_level(loss_to_level(torch.tensor([0.5]))).round(decimals=1)
        tensor([0.5000])
    """
    losses = SMALLEST * (levels.float() / (HELD - 1) * _REACH).exp()
    return losses.where(levels != UNKNOWN, torch.inf).where(levels != HELD, 0.0)


def count_levels(chunks: Chunks, levels: int = LEVELS) -> Tensor:
    """Count the samples of each level.

    Args:
        chunks: gives the samples' levels from the start, `(n,)` each, of an integer type.
        levels: L; the levels are in `0 … L-1`.

    Returns:
        `(L,)`, int64.

    Examples:
        >>> count_levels(lambda: iter([torch.tensor([3, 3, 255], dtype=torch.uint8)]))[[3, 255]]
        tensor([2, 1])
    """
    counts = torch.zeros(levels, dtype=torch.int64)
    for chunk in chunks():
        counts += chunk.bincount(minlength=levels)
    return counts


def draw_levels(chunks: Chunks, shares: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Draw exactly `count` samples, each with the chance that its level has.

    A sample is kept where a random number lies below its share. That keeps about as many as asked
    for; those whose number came closest to their share, as a part of it, are then turned over, up
    to the exact count.

    Args:
        chunks: gives the samples' levels from the start, `(n,)` each, of an integer type; all but
            the last have a multiple of 8.
        shares: `(L,)`, floats in [0, 1], whose sum over all samples is about `count`. A share of 1
            keeps all, a share of 0 none, as far as the count allows.
        count: k, at most all samples.
        generator: on the CPU.

    Returns:
        `(⌈N / 8⌉,)`, uint8: a bit a sample, as `numpy.packbits` has them.

    Source: sequential Poisson sampling (Ohlsson 1998): the k smallest of the random numbers, each
    divided by its share.

    Examples:
        >>> levels = torch.tensor([0, 9, 0, 9, 9, 0, 0, 0], dtype=torch.uint8)
        >>> shares = torch.zeros(256).index_fill(0, torch.tensor(9), 1.0)
        >>> draw_levels(lambda: iter([levels]), shares, 3, torch.Generator())  # 01011000
        tensor([88], dtype=torch.uint8)
    """
    counts = count_levels(chunks, len(shares))
    unsure = round(float((counts * shares)[(shares > 0) & (shares < 1)].sum()))
    total, state = int(counts.sum()), generator.get_state()
    bits = torch.zeros(-(-total // 8), dtype=torch.uint8)
    narrow = min(1.0, DEVIATIONS / max(1, unsure) ** 0.5)
    for band, room in ((narrow, min(total, round(3 * narrow * unsure) + 64)), (math.inf, total)):
        near = _Near(band, room)
        _draw_about(chunks, shares, near, bits, generator.set_state(state))
        if near.mend(bits, count):
            break
    return bits


def flags_of(bits: Tensor, count: int) -> Tensor:
    """Unpack bits.

    Args:
        bits: `(⌈N / 8⌉,)`, uint8.
        count: N.

    Returns:
        `(N,)`, bool.

    Examples:
        >>> flags_of(torch.tensor([88], dtype=torch.uint8), 4)
        tensor([False,  True, False,  True])
    """
    return torch.from_numpy(np.unpackbits(bits.numpy(), count=count)).bool()


def flags_at(bits: Tensor, places: Tensor) -> Tensor:
    """Read single bits.

    Args:
        bits: `(⌈N / 8⌉,)`, uint8.
        places: `(M,)`, int64, in `0 … N-1`.

    Returns:
        `(M,)`, bool.

    Examples:
        >>> flags_at(torch.tensor([88], dtype=torch.uint8), torch.tensor([4, 0]))
        tensor([ True, False])
    """
    return (bits[places >> 3] >> (7 - (places & 7)).to(torch.uint8)) & 1 == 1


def clear_flags(bits: Tensor, places: Tensor) -> None:
    """Set single bits to 0.

    Args:
        bits: `(⌈N / 8⌉,)`, uint8; changed in place.
        places: `(M,)`, int64, in `0 … N-1`.

    Examples:
        >>> bits = torch.tensor([88], dtype=torch.uint8)  # 01011000
        >>> clear_flags(bits, torch.tensor([1, 4]))
        >>> bits
        tensor([16], dtype=torch.uint8)
    """
    masks = ~(0x80 >> (places.numpy() & 7)).astype(np.uint8)
    np.bitwise_and.at(bits.numpy(), places.numpy() >> 3, masks)


class _Near:
    """A draw's decisions within a band of the other answer: by how much, and where.

    Their room is taken once: small pieces would lie scattered between the large ones that come and
    go, and keep hundreds of megabytes from being used again.
    """

    def __init__(self, band: float, room: int) -> None:
        self.band, self.found, self.kept = band, 0, 0
        self._margins, self._places = torch.empty(room), torch.empty(room, dtype=torch.int64)

    def add(self, margins: Tensor, places: Tensor) -> None:
        """Note decisions; what there is no room for is counted only."""
        begin, self.found = self.found, self.found + len(margins)
        room = max(0, len(self._margins) - begin)
        self._margins[begin : self.found] = margins[:room]
        self._places[begin : self.found] = places[:room]

    def mend(self, bits: Tensor, count: int) -> bool:
        """Turn over the closest decisions until `count` are kept; False where they are too few."""
        margins, surplus = self._margins[: self.found], self.kept - count
        turned = margins > 0 if surplus > 0 else margins <= 0
        if self.found > len(self._margins) or int(turned.sum()) < abs(surplus):
            return False
        closest = margins[turned].abs().topk(abs(surplus), largest=False).indices
        chosen = self._places[: self.found][turned][closest].numpy()
        flips = (0x80 >> (chosen & 7)).astype(np.uint8)
        np.bitwise_xor.at(bits.numpy(), chosen >> 3, flips)
        return True


def _draw_about(
    chunks: Chunks, shares: Tensor, near: _Near, bits: Tensor, generator: torch.Generator
) -> None:
    """Draw about the right count into the bits, and note what was nearly decided otherwise."""
    shares = shares.float().clamp_min(TINY)
    certain = (shares <= TINY) | (shares >= 1) if near.band < math.inf else shares < 0
    start = 0
    for chunk in chunks():
        level = chunk.int()
        margin = 1 - torch.rand(len(chunk), generator=generator) / shares[level]
        stays = margin > 0
        rows = ((margin.abs() <= near.band) & ~certain[level]).nonzero()[:, 0]
        near.add(margin[rows], rows + start)
        near.kept += int(stays.sum())
        packed = torch.from_numpy(np.packbits(stays.numpy()))
        bits[start // 8 : start // 8 + len(packed)] = packed
        start += len(chunk)
