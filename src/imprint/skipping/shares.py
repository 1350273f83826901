"""Rules of a plan: from how many samples have which loss to the share of each that is loaded.

To add one, write a function from the levels' counts and a number of samples to shares, and enter it
in `PLANS`. A rule sees 256 counts, never the samples, so it costs the same for any data set.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.skipping.levels import HELD, LEVELS, UNKNOWN, loss_of_level

__all__ = [
    "PLANS",
    "Shares",
    "cover_for",
    "even_shares",
    "fill",
    "shares_by_loss",
    "shares_sparing_held",
    "shares_with_floor",
    "top_shares",
]

Shares = Callable[[Tensor, int], Tensor]
"""From counts `(256,)`, int64, and k to shares `(256,)`, float64, that load k samples together."""

SURE = 0.01
"""A loss in nats, that of an answer given with 99 %, below which samples count alike."""

MOST_POINTS = 0.6
"""Points of accuracy that the smallest measured cover cost."""

HALVINGS = 100
"""Steps of a bisection; each halves what is left, down to the last bit of a float64."""


def fill(counts: Tensor, weights: Tensor, count: int) -> Tensor:
    """Make shares in proportion to weights, none above 1, that sum to a count.

    Args:
        counts: `(256,)`, int64, the samples of each level; those not known are taken first.
        weights: `(256,)`, floats of at least 0, one above it.
        count: k, in 1 … N.

    Returns:
        `(256,)`, float64, in [0, 1]: `min(1, c · weight)`.

    Examples:
        >>> counts = torch.zeros(256, dtype=torch.int64)
        >>> counts[0], counts[100] = 10, 10
        >>> weights = torch.ones(256).index_fill(0, torch.tensor(100), 3.0)
        >>> shares = fill(counts, weights, 10)
        >>> shares[0].item(), shares[100].item()
        (0.25, 0.75)
    """
    sizes, weights = counts.double(), weights.double() / weights.double().max()
    known = torch.arange(LEVELS) != UNKNOWN
    left = count - int(counts[UNKNOWN])
    if left <= 0:
        return torch.where(known, 0.0, count / sizes[UNKNOWN].clamp_min(1)).double()
    low, high = 0.0, float(1 / weights[weights > 0].min())
    for _ in range(HALVINGS):
        factor = (low + high) / 2
        enough = float((sizes * (factor * weights).clamp_max(1))[known].sum()) >= left
        low, high = (low, factor) if enough else (factor, high)
    return torch.where(known, (high * weights).clamp_max(1), 1.0)


def count_covering(counts: Tensor, cover: float) -> int:
    """Say how few samples hold a part of all known loss, the highest losses first.

    A loss of less than 0.01 counts as that much: where all is known, all count alike, and none is
    left out for a difference that means nothing.

    Args:
        counts: `(256,)`, int64, the samples of each level; those not known count besides, those
            held back do not.
        cover: the part, in (0, 1].

    Returns:
        Their number, at most N: few where the loss of few is high, all where it is spread evenly.

    Examples:
        >>> counts = torch.zeros(256, dtype=torch.int64)
        >>> counts[150], counts[200] = 100, 100  # losses 37 times as large
        >>> count_covering(counts, 0.5), count_covering(counts, 0.99)
        (52, 161)
    """
    known = counts.double().index_fill(0, torch.tensor([UNKNOWN, HELD]), 0.0).flip(0)
    losses = loss_of_level(torch.arange(LEVELS, dtype=torch.uint8)).double().flip(0)
    losses = losses.nan_to_num(posinf=1.0).clamp_min(SURE)
    held = (known * losses).cumsum(0)
    missing = cover * held[-1] - (held - known * losses)
    taken = (missing / losses).clamp_min(0).minimum(known)
    return int(taken.sum().ceil()) + int(counts[UNKNOWN])


def cover_for(points: float) -> float:
    """Say how much of the loss to cover where a loss of accuracy is accepted.

    A straight line through what was measured on Fashion-MNIST, CIFAR-10 and MNIST: 0.99 cost
    nothing, 0.96 up to 0.2 points, 0.9 up to 0.6. It is what to expect, no promise.

    Args:
        points: of accuracy, in percent, in [0, 0.6]; beyond nothing was measured.

    Returns:
        The part of all known loss for a plan's `cover`, in [0.9, 0.99].

    Raises:
        InvalidValueError: for points out of their range.

    Source: docs/benchmarks.md, "How much to cover".

    Examples:
        >>> cover_for(0.2)
        0.96
    """
    if not 0 <= points <= MOST_POINTS:
        expected = f"points of accuracy in [0, {MOST_POINTS}], as far as was measured"
        raise InvalidValueError(f"accept: expected {expected}; got {points}")
    return round(0.99 - 0.15 * points, 6)


def shares_by_loss(counts: Tensor, count: int) -> Tensor:
    """Load samples in proportion to the square of their last known loss; the worst for certain.

    The square is the sharper the more is known: where few samples hold the loss, they are loaded
    for certain; where it is spread evenly, all have about the same chance.

    Args:
        counts: `(256,)`, int64, the samples of each level.
        count: k, in 1 … N.

    Returns:
        `(256,)`, float64, in [0, 1].

    Examples:
        >>> counts = torch.zeros(256, dtype=torch.int64)
        >>> counts[190], counts[200] = 100, 100  # losses twice as large
        >>> shares_by_loss(counts, 100)[[190, 200]].round(decimals=2)
        tensor([0.1900, 0.8100], dtype=torch.float64)
    """
    losses = loss_of_level(torch.arange(LEVELS, dtype=torch.uint8))
    return fill(counts, losses.nan_to_num(posinf=1.0).square(), count)


def top_shares(counts: Tensor, count: int) -> Tensor:
    """Load the samples of the highest last known losses, and no others.

    Args:
        counts: `(256,)`, int64, the samples of each level.
        count: k, in 1 … N.

    Returns:
        `(256,)`, float64, in [0, 1]: 1 above a level, 0 below it.

    Examples:
        >>> counts = torch.zeros(256, dtype=torch.int64)
        >>> counts[150], counts[200] = 100, 100
        >>> top_shares(counts, 150)[[150, 200]]
        tensor([0.5000, 1.0000], dtype=torch.float64)
    """
    above = counts.flip(0).cumsum(0).flip(0) - counts
    return ((count - above) / counts.clamp_min(1)).double().clamp(0, 1)


def even_shares(counts: Tensor, count: int) -> Tensor:
    """Load all samples alike: the control.

    Args:
        counts: `(256,)`, int64, the samples of each level.
        count: k, in 1 … N.

    Returns:
        `(256,)`, float64, in [0, 1]; 1 for those whose turn has come.

    Examples:
        >>> counts = torch.zeros(256, dtype=torch.int64)
        >>> counts[150], counts[200] = 100, 300
        >>> even_shares(counts, 100)[[150, 200]]
        tensor([0.2500, 0.2500], dtype=torch.float64)
    """
    return fill(counts, torch.ones(LEVELS), count)


def shares_sparing_held(shares: Shares, counts: Tensor, count: int) -> Tensor:
    """Load those held back only where nothing else is left.

    Args:
        shares: the rule.
        counts: `(256,)`, int64, the samples of each level.
        count: k, in 1 … N.

    Returns:
        `(256,)`, float64, in [0, 1].

    Examples:
        >>> counts = torch.zeros(256, dtype=torch.int64)
        >>> counts[150], counts[HELD] = 100, 100
        >>> shares_sparing_held(even_shares, counts, 150)[[150, HELD]]
        tensor([1.0000, 0.5000], dtype=torch.float64)
    """
    held, free = int(counts[HELD]), counts.index_fill(0, torch.tensor(HELD), 0)
    asked = min(count, int(free.sum()))
    table = shares(free, asked) if asked else torch.zeros(LEVELS).double()
    return table.index_fill(0, torch.tensor(HELD), (count - asked) / max(1, held))


def shares_with_floor(shares: Shares, counts: Tensor, count: int, floor: float) -> Tensor:
    """Give each class at least a part of what it would have if all classes were kept alike.

    Args:
        shares: the rule.
        counts: `(K, 256)`, int64, the samples of each class and level.
        count: k, in 1 … N.
        floor: the part, in [0, 1]; 0 leaves the rule as it is, 1 keeps as much of each class.

    Returns:
        `(K, 256)`, float64, in [0, 1].

    Examples:
        >>> counts = torch.zeros(2, 256, dtype=torch.int64)
        >>> counts[0, 150], counts[1, 200] = 100, 100
        >>> shares = shares_with_floor(top_shares, counts, 100, 0.5)
        >>> shares[0, 150].item(), shares[1, 200].item()
        (0.25, 0.75)
    """
    least = floor * count * counts.sum(1).double() / counts.sum()
    starved = torch.zeros(len(counts), dtype=torch.bool)
    while True:
        free = count - round(float(least[starved].sum()))
        table = shares(counts[~starved].sum(0), free).expand_as(counts).clone()
        for k in starved.nonzero()[:, 0].tolist():
            table[k] = shares(counts[k], max(1, round(float(least[k]))))
        below = ((table * counts).sum(1) < least - 1) & ~starved
        if not bool(below.any()):
            return table
        starved |= below


PLANS: dict[str, Shares] = {
    "imprint": shares_by_loss,
    "top": top_shares,
    "random": even_shares,
}
"""All plans by name; a new one is registered here."""
