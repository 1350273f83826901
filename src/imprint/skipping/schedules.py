"""Keep schedules: the keep ratio over the course of training, and the steps that it leaves."""

import math

from imprint.errors import InvalidValueError

__all__ = ["count_steps", "keep_at"]

ROUNDING = 1e-9


def keep_at(
    progress: float,
    *,
    keep: float,
    keep_end: float | None = None,
    dense_start: float = 0.0,
    dense_end: float = 0.0,
) -> float:
    """Give the keep ratio at a point of training: dense, then constant or on a slope, then dense.

    Args:
        progress: the share of training that is done, in [0, 1).
        keep: the keep ratio between the dense parts, in (0, 1].
        keep_end: where it has gone to, in a straight line over the whole training, at its end, in
            (0, 1]; None leaves it constant.
        dense_start: the share of training at whose start all is kept, in [0, 1].
        dense_end: the share of training at whose end all is kept, in [0, 1].

    Returns:
        The keep ratio, in (0, 1].

    Raises:
        InvalidValueError: for a value out of its range.

    Examples:
        >>> [keep_at(e / 8, keep=0.5, dense_start=1 / 8, dense_end=0.15) for e in (0, 1, 6, 7)]
        [1.0, 0.5, 0.5, 1.0]
        >>> [keep_at(e / 4, keep=0.25, keep_end=0.75) for e in range(4)]
        [0.25, 0.375, 0.5, 0.625]
    """
    for name, share in (("keep", keep), ("keep_end", keep_end)):
        if share is not None and not 0 < share <= 1:
            raise InvalidValueError(f"{name}: expected a share in (0, 1], got {share}")
    for name, share in (("dense_start", dense_start), ("dense_end", dense_end)):
        if not 0 <= share <= 1:
            raise InvalidValueError(f"{name}: expected a share in [0, 1], got {share}")
    # Shares such as 0.3 and 1 - 0.7 differ in their last bit, and mean the same epoch.
    dense = progress < dense_start - ROUNDING or progress >= 1 - dense_end - ROUNDING
    sloped = keep if keep_end is None else keep + (keep_end - keep) * progress
    return 1.0 if dense else sloped


def count_steps(kept: int, *, total: int, batch_size: int, shrink: float) -> int:
    """Count the steps of an epoch that leaves samples out.

    Samples that are known hardly move the network, so that a batch without them moves it as far as
    a larger batch with them. Steps on fewer samples each keep more of the steps.

    Args:
        kept: the samples that the epoch keeps, at least 1.
        total: N, of the data set.
        batch_size: samples a step where nothing is left out, at least 1.
        shrink: in [0, 1]; a step takes about `batch_size·(kept/total)^shrink` samples: with 0 as
            many as ever, so that there are fewer steps, with 1 so few that there are as many steps.

    Returns:
        The steps, at least 1, each of at least 2 samples, since batch norm cannot train on one;
        but where `batch_size` is 1, or no more is kept.

    Examples:
        >>> [count_steps(256, total=1024, batch_size=128, shrink=shrink) for shrink in (0, 0.5, 1)]
        [2, 4, 8]
    """
    size = batch_size * math.pow(kept / total, shrink)
    return max(1, min(math.floor(kept / size + ROUNDING), kept // min(2, batch_size)))
