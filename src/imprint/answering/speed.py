"""How much sooner a network answers with its exits open: both measured in turn."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain, pairwise
from statistics import median, quantiles
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from imprint.early_exit import EarlyExit
from imprint.taps import clock_of, guest, take_turns

__all__ = ["Speed", "measure_speed"]

FEW = 400
"""Images that are measured one by one; in batches, 2,048 or eight batches."""


class Speed(NamedTuple):
    """Seconds with and without exits.

    Attributes:
        batch_size: images that run together.
        images: how many were measured.
        full: seconds of an image without exits, the median of several turns.
        early: likewise, with exits.
        ratio: of early to full, the median over turns.
        low: its lower quartile.
        high: its upper quartile.
        latency_ratio: of a batch's median seconds, early to full.
    """

    batch_size: int
    images: int
    full: float
    early: float
    ratio: float
    low: float
    high: float
    latency_ratio: float


def measured_images(batch_size: int) -> int:
    """Say how many images a measurement takes, where there are so many.

    Args:
        batch_size: images that run together.

    Returns:
        The number.

    Examples:
        >>> measured_images(256)
        2048
    """
    return FEW if batch_size == 1 else max(2048, 8 * batch_size)


def measure_speed(
    model: nn.Module, exits: EarlyExit, images: Tensor, batch_size: int, *, seconds: float = 20.0
) -> Speed:
    """Measure how long a network takes with its exits open, beside how long it takes without.

    Args:
        model: that the exits are of; it is left as it was.
        exits: of the model.
        images: `(N, C, H, W)`, as the model takes them, on its device.
        batch_size: images that run together.
        seconds: after which no new turn begins, once there were five.

    Returns:
        The seconds.

    Examples:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> measure_speed(model, EarlyExit(()), torch.rand(8, 1, 2, 2), 4, seconds=0).images
        8
    """
    count = min(len(images), measured_images(batch_size))
    batches = torch.split(images[:count], batch_size)
    clock = clock_of(images.device)

    def run(opened: Callable[[], AbstractContextManager[Any]]) -> list[float]:
        stamps = [clock()]
        with opened():
            for batch in batches:
                model(batch)
                stamps.append(clock())
        return [end - start for start, end in pairwise(stamps)]

    with guest(model), torch.inference_mode():
        turns = take_turns(
            {"full": lambda: run(nullcontext), "early": lambda: run(lambda: exits(model))},
            seconds=seconds,
            clock=clock,
        )
    return _speed(turns["full"], turns["early"], count, batch_size)


def _speed(
    full: Sequence[list[float]], early: Sequence[list[float]], count: int, batch_size: int
) -> Speed:
    ratios = [sum(own) / sum(whole) for whole, own in zip(full, early, strict=True)]
    low, _, high = quantiles(ratios, n=4)
    latencies = [median(chain.from_iterable(turns)) for turns in (full, early)]
    return Speed(
        batch_size,
        count,
        median(map(sum, full)) / count,
        median(map(sum, early)) / count,
        median(ratios),
        low,
        high,
        latencies[1] / latencies[0],
    )
