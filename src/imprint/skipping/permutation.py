"""A shuffled order of any length that is computed, not stored."""

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["permuted"]

ROUNDS = 8
"""Rounds of the Feistel network; four already look random, more cost little."""

CHUNK = 1 << 18
"""Places computed at a time."""

_ODD = 0x9E3779B97F4A7C1  # an odd multiplier below 2^63: the golden ratio's digits
_LATE = 0x7FFFFFFF


def permuted(count: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Go through `0 … count-1` in a random order, each once, in memory that does not grow with it.

    A Feistel network permutes the numbers of `⌈log2 count⌉` bits; what lies beyond is left out.

    Args:
        count: N, at least 1.
        generator: gives the keys.

    Yields:
        pieces of the order, `(n,)`, int64.

    Source: Black & Rogaway (2002), "Ciphers with arbitrary finite domains".

    Examples:
        >>> sorted(torch.cat(list(permuted(5, torch.Generator()))).tolist())
        [0, 1, 2, 3, 4]
    """
    bits = max(2, (count - 1).bit_length())
    keys = torch.randint(1 << 62, (ROUNDS,), generator=generator).tolist()
    for start in range(0, 1 << bits, CHUNK):
        places = torch.arange(start, min(start + CHUNK, 1 << bits))
        rows = _encrypt(places, bits, keys)
        yield rows[rows < count]


def _encrypt(values: Tensor, bits: int, keys: list[int]) -> Tensor:
    """Permute the numbers of so many bits: each half in turn is changed by a hash of the other."""
    low = bits // 2
    left, right = values >> low, values & ((1 << low) - 1)
    for first, second in zip(keys[::2], keys[1::2], strict=True):
        left = left ^ _hashed(right, first, bits - low)
        right = right ^ _hashed(left, second, low)
    return left << low | right


def _hashed(values: Tensor, key: int, bits: int) -> Tensor:
    """A number of so many bits that looks random."""
    mixed = (values + key) * _ODD
    mixed = (mixed ^ (mixed >> 29)) * _ODD
    return (mixed >> 31 & _LATE) & ((1 << bits) - 1)
