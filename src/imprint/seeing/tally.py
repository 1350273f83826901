"""Sums over a layer's maps, from which its health is read at the end of a pass."""

import torch
from torch import Tensor, nn

from imprint.signatures import signature

__all__ = ["Bounds", "Moments", "Tally", "bounds_of", "near_bounds", "thinned"]

NEAR = 0.01
"""Share of an activation's range within which a unit counts as at its end."""


FEWEST = 10
"""Values from which on a correlation says something: of two, it is always 1 or -1."""

WORK = 2**24
"""Products of channels and positions of an image up to which correlations take every position."""

LEAST = 25
"""Positions of an image that they take at least, where it has as many."""

Bounds = tuple[float | None, float]
"""The lower end of an activation's range, None where that is mere rest, and the upper one."""


class Moments:
    """Sums and products of channels over all positions, from which correlations follow.

    Values are taken less a pilot, the first batch's mean, so that large means cost no digits.

    Args:
        pilot: `(C,)`, about each channel's mean.

    Examples:
        >>> values = torch.stack((torch.arange(10.0), torch.arange(10.0) * 2))
        >>> moments = Moments(values.mean(1))
        >>> moments.add(values)
        >>> round(float(moments.correlation()[0, 1]), 5)
        1.0
    """

    def __init__(self, pilot: Tensor) -> None:
        self._pilot = pilot
        channels = len(pilot)
        self._count = 0
        self._sums = torch.zeros(channels, dtype=torch.float64)
        self._products = torch.zeros(channels, channels, dtype=torch.float64)

    def add(self, values: Tensor) -> None:
        """Add values.

        Args:
            values: `(C, P)`, floats, finite, of any positions.
        """
        centred = values - self._pilot[:, None]
        self._count += centred.shape[1]
        self._sums += centred.sum(1).double().cpu()
        self._products += (centred @ centred.T).double().cpu()

    def correlation(self) -> Tensor:
        """Give the correlation of each two channels.

        Returns:
            `(C, C)`, float64; 0 where either is constant, or where fewer than ten values are known.
        """
        if self._count < FEWEST:
            return torch.zeros_like(self._products)
        means = self._sums / self._count
        covariance = self._products / self._count - means[:, None] * means
        variance = covariance.diagonal().clamp_min(0)
        varies = variance > 1e-12 * (means.square() + self._pilot.double().cpu().square() + 1e-30)
        scale = torch.where(varies, variance.rsqrt(), 0.0)
        return covariance * scale[:, None] * scale


class Tally:
    """What is counted of one layer while batches stream by.

    Args:
        module: the layer.
        maps: `(N, C, H, W)`, its first.

    Examples:
        >>> maps = torch.tensor([[[[0.0, 6.0]], [[0.0, 0.0]]]])
        >>> tally = Tally(nn.ReLU6(), maps)
        >>> tally.add(maps)
        >>> tally.answered.tolist(), tally.zeros, tally.at_ends
        ([True, False], 3, 1)
    """

    def __init__(self, module: nn.Module, maps: Tensor) -> None:
        self.kind = type(module).__name__
        self.bounds = bounds_of(module)
        self.images = self.units = self.zeros = self.broken = self.at_ends = self.batches = 0
        self.norms = 0.0
        self.answered = torch.zeros(maps.shape[1], dtype=torch.bool)
        self.moments = Moments(_clean(maps).mean((0, 2, 3)))

    def add(self, maps: Tensor) -> None:
        """Count a batch.

        Args:
            maps: `(N, C, H, W)`, floats; NaN and infinity are counted, and then taken as 0.
        """
        clean = _clean(maps)
        self.images += len(maps)
        self.units += maps.numel()
        self.zeros += int(maps.eq(0).sum())
        self.broken += int(maps.isfinite().logical_not_().sum())
        self.at_ends += 0 if self.bounds is None else near_bounds(clean, self.bounds)
        self.norms += float(signature(clean).norm(dim=1).sum())
        self.answered |= maps.ne(0).any(3).any(2).any(0).cpu()
        self.moments.add(thinned(clean, self.batches).movedim(1, 0).flatten(1))
        self.batches += 1


def thinned(maps: Tensor, turn: int) -> Tensor:
    """Take some of the positions of wide maps, whose correlations would cost more than a network.

    Args:
        maps: `(N, C, H, W)`.
        turn: number of the batch; the next one takes the positions beside these.

    Returns:
        `(N, C, h, w)`: every row and column, or every second one, and so on.

    Examples:
        >>> [tuple(thinned(torch.zeros(1, c, 28, 28), 0).shape) for c in (64, 512)]
        [(1, 64, 28, 28), (1, 512, 7, 7)]
    """
    channels, positions = maps.shape[1], maps.shape[2] * maps.shape[3]
    wanted = max(LEAST, WORK // channels**2)
    step = next(n for n in range(1, positions + 1) if n * n * wanted >= positions)
    step = min(step, *maps.shape[2:])
    row, column = turn // step % step, turn % step
    return maps[:, :, row::step, column::step]


def _clean(maps: Tensor) -> Tensor:
    """Float32 at least, with what is no number as 0."""
    maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
    return maps.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)


def bounds_of(module: nn.Module) -> Bounds | None:
    """Give the range of a bounded activation.

    Args:
        module: any.

    Returns:
        the ends between which it puts out all it does; None for what has no two ends.

    Examples:
        >>> bounds_of(nn.Tanh()), bounds_of(nn.ReLU6()), bounds_of(nn.ReLU())
        ((-1.0, 1.0), (None, 6.0), None)
    """
    if isinstance(module, nn.Hardtanh):  # nn.ReLU6 is one
        return float(module.min_val) or None, float(module.max_val)
    if isinstance(module, nn.Sigmoid | nn.Hardsigmoid):
        return 0.0, 1.0
    return (-1.0, 1.0) if isinstance(module, nn.Tanh | nn.Softsign) else None


def near_bounds(maps: Tensor, bounds: Bounds) -> int:
    """Count the units at an end of the activation's range.

    Args:
        maps: any shape, floats.
        bounds: the range's ends.

    Returns:
        how many lie within a hundredth of the range from one.

    Examples:
        >>> near_bounds(torch.tensor([-1.0, -0.99, 0.5, 1.0]), (-1.0, 1.0))
        3
    """
    floor, ceiling = bounds
    margin = NEAR * (ceiling - (floor or 0.0))
    at_ceiling = maps >= ceiling - margin
    return int((at_ceiling if floor is None else at_ceiling | (maps <= floor + margin)).sum())
