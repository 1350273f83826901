"""Measure what an epoch costs beside its steps: loading its batches, choosing its samples."""

from collections.abc import Callable
from itertools import islice
from typing import NamedTuple

import torch

from imprint.data import Batches
from imprint.data.seeds import generator_of
from imprint.skipping.plan import SkipPlan

__all__ = ["LoadSeconds", "choose_seconds", "load_seconds"]

REPEATS = 3


class LoadSeconds(NamedTuple):
    """How long a loader takes.

    Attributes:
        batch: seconds in which it gives a batch, once it runs.
        start: seconds before the first batch of an epoch comes, beside that batch's own.
    """

    batch: float
    start: float


def load_seconds(
    batches: Batches, *, clock: Callable[[], float], most: int = 24, seconds: float = 5.0
) -> LoadSeconds:
    """Measure how fast batches come when nobody works on them; of three passes the fastest counts.

    Args:
        batches: to load.
        clock: gives the time in seconds.
        most: batches of a pass, at least 1.
        seconds: after which no new pass begins.

    Returns:
        Seconds of a batch, and of an epoch's start.

    Examples:
        >>> from imprint.data import TensorBatches
        >>> from imprint.types import ImageSet, Normalisation
        >>> images = ImageSet(
        ...     torch.zeros(8, 1, 4, 4, dtype=torch.uint8), torch.arange(8) % 2, ("even", "odd")
        ... )
        >>> batches = TensorBatches(images, 2, Normalisation((0.0,), (1.0,)))
        >>> ticks = iter(range(100))  # a clock that goes on by one second each time it is read
        >>> load_seconds(batches, clock=lambda: float(next(ticks)))
        LoadSeconds(batch=1.0, start=0.0)
    """
    first, rest = [], []
    begin = clock()
    for _ in range(REPEATS):
        times = [clock()]
        times += [clock() for _ in islice(batches.epoch(0), most)]
        first.append(times[1] - times[0])
        rest += [(times[-1] - times[1]) / (len(times) - 2)] if len(times) > 2 else []
        if times[-1] - begin >= seconds:
            break
    batch = min(rest, default=min(first))
    return LoadSeconds(batch, max(0.0, min(first) - batch))


def choose_seconds(rows: int, *, keep: float, clock: Callable[[], float]) -> float:
    """Measure how long a plan takes to choose an epoch's samples; of three times the least.

    Args:
        rows: the samples of the data set.
        keep: the share of them that is loaded, in (0, 1).
        clock: gives the time in seconds.

    Returns:
        The seconds.

    Examples:
        >>> import time
        >>> choose_seconds(1000, keep=0.5, clock=time.perf_counter) > 0
        True
    """
    plan = SkipPlan(rows, keep=keep, epochs=1, dense_start=0.0)
    plan.note(torch.arange(rows), torch.rand(rows, generator=generator_of(0)))
    times = []
    for _ in range(REPEATS):
        start = clock()
        plan.kept()
        plan.advance()
        times.append(clock() - start)
    return min(times)
