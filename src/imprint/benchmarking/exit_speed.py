"""Seconds of several ways to answer early, and of smaller networks, measured in turn."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from statistics import median, quantiles
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imprint.early_exit.answerers import AnyExit
from imprint.early_exit.exits import early_exits
from imprint.early_exit.published import ExitMethod
from imprint.taps import Clock, clock_of, guest, take_turns

__all__ = ["MethodExit", "measured_ratios"]


@dataclass(frozen=True, eq=False)
class MethodExit:
    """An exit at which any method answers.

    Attributes:
        layer: its name.
        shape: of its maps, without the batch.
        method: that has learnt.
        num_classes: K.
        threshold: the least sureness of an answer.
    """

    layer: str
    shape: tuple[int, ...]
    method: ExitMethod
    num_classes: int
    threshold: float

    def answer(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Answer maps.

        Args:
            maps: of the layer.

        Returns:
            The answers as one-hot rows `(N, K)`, and how sure each is, `(N,)`.
        """
        labels, sureness = self.method.answer(maps)
        return F.one_hot(labels, self.num_classes).float(), sureness

    def to(self, _device: torch.device) -> Self:
        """Stay: methods learn where the maps are."""
        return self


def measured_ratios(
    model: nn.Module,
    opened: Mapping[str, Sequence[AnyExit]],
    smaller: Mapping[str, nn.Module],
    batches: Sequence[Tensor],
    *,
    seconds: float = 60.0,
) -> dict[str, dict[str, float]]:
    """Measure ways to answer early and smaller networks, each turn beside the full network.

    Args:
        model: the full network; it and the smaller ones are left as they were.
        opened: for each name the exits of a way to answer early.
        smaller: for each name a network.
        batches: of images, as the networks take them.
        seconds: after which no new turn begins, once there were five.

    Returns:
        For each name `measured_time`, the share of the full network's seconds, a median over turns,
        with its quartiles `measured_low` and `measured_high`.

    Examples:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> ratios = measured_ratios(model, {"none": []}, {}, [torch.rand(8, 1, 2, 2)], seconds=0)
        >>> sorted(ratios["none"])
        ['measured_high', 'measured_low', 'measured_time']
    """
    clock = clock_of(batches[0].device)
    runs: dict[str, Callable[[], float]] = {"": partial(_run, model, nullcontext, batches, clock)}
    for name, exits in opened.items():
        runs[name] = partial(_run, model, partial(early_exits, model, exits), batches, clock)
    for name, network in smaller.items():
        runs[name] = partial(_run, network, nullcontext, batches, clock)
    with ExitStack() as stack:
        for network in smaller.values():  # which may be asked first as well
            stack.enter_context(guest(network))
        turns = take_turns(runs, seconds=seconds, clock=clock)
    full = turns.pop("")
    return {name: _spread(own, full) for name, own in turns.items()}


def _run(
    model: nn.Module,
    opened: Callable[[], AbstractContextManager[Any]],
    batches: Sequence[Tensor],
    clock: Clock,
) -> float:
    with guest(model), torch.inference_mode(), opened():
        start = clock()
        for batch in batches:
            model(batch)
        return clock() - start


def _spread(own: Sequence[float], full: Sequence[float]) -> dict[str, float]:
    ratios = [part / whole for part, whole in zip(own, full, strict=True)]
    low, _, high = quantiles(ratios, n=4)
    return {"measured_time": median(ratios), "measured_low": low, "measured_high": high}
