"""Means over seeds, and how far they can be trusted."""

from collections.abc import Sequence
from statistics import mean, stdev

__all__ = ["interval"]

T_95 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
"""Student's t of a two-sided 95 % interval, by degrees of freedom from 1 to 30."""


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Give a mean with its 95 % interval.

    Args:
        values: one of each seed.

    Returns:
        mean, low and high; NaN for low and high of a single value, and for all of none.

    Source: Student's t (1908).

    Examples:
        >>> interval([1.0, 2.0, 3.0])  # 2 ± 4.30 / √3
        (2.0, -0.484..., 4.484...)
    """
    middle = mean(values) if values else float("nan")
    if len(values) < 2:
        return middle, float("nan"), float("nan")
    freedom = len(values) - 1
    t = T_95[freedom - 1] if freedom <= len(T_95) else 1.96 + 2.4 / freedom
    half = t * stdev(values) / len(values) ** 0.5
    return middle, middle - half, middle + half
