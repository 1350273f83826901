"""How long a forward pass takes to each layer, and actions that take turns."""

import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import ExitStack
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from imprint.taps.tap import hooked

__all__ = ["Clock", "clock_of", "forward_stamps", "take_turns"]

Clock = Callable[[], float]
"""Gives seconds; what is measured are differences."""

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

FEWEST, MOST = 5, 15
"""Rounds of turns: at least, however long they take, and at most."""


def forward_stamps(
    model: nn.Module, images: Tensor, layers: Sequence[str], *, clock: Clock
) -> tuple[float, ...]:
    """Tell after how many seconds of a forward pass each layer has put out its maps.

    Args:
        model: any `nn.Module`, in the modes that it is in.
        images: `(N, C, H, W)`, as the model takes them.
        layers: names out of `model.named_modules()`, each of which runs.
        clock: gives the time in seconds.

    Returns:
        The seconds of each layer, then those of the whole pass.

    Raises:
        LayerError: where the model has no such layer.

    Examples:
        >>> model = nn.Sequential(nn.Linear(1, 1), nn.ReLU())
        >>> first, whole = forward_stamps(model, torch.ones(2, 1), ["0"], clock=time.perf_counter)
        >>> 0 < first < whole
        True
    """
    ends = dict.fromkeys(layers, 0.0)

    def stamp(layer: str) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            ends[layer] = clock()

        return hook

    with ExitStack() as stack:
        for layer in ends:
            stack.enter_context(hooked(model, layer, stamp(layer)))
        start = clock()
        model(images)
        whole = clock() - start
    return (*(ends[layer] - start for layer in layers), whole)


def take_turns(
    actions: dict[K, Callable[[], T]], *, seconds: float, clock: Clock
) -> dict[K, list[T]]:
    """Run actions in turn, round after round; a first round does not count.

    Args:
        actions: by name.
        seconds: after which no new round begins, once there were five; there are 15 at most.
        clock: gives the time in seconds.

    Returns:
        What each action gave, in each round.

    Examples:
        >>> turns = take_turns({"a": lambda: 1, "b": lambda: 2}, seconds=0, clock=lambda: 0.0)
        >>> turns
        {'a': [1, 1, 1, 1, 1], 'b': [2, 2, 2, 2, 2]}
    """
    for action in actions.values():
        action()
    start = clock()
    results: dict[K, list[T]] = {name: [] for name in actions}
    for done in range(MOST):
        if done >= FEWEST and clock() - start >= seconds:
            break
        for name, action in actions.items():
            results[name].append(action())
    return results


def clock_of(device: torch.device) -> Clock:
    """Give a clock that waits for a device to be done before it tells the time.

    Args:
        device: where the work runs.

    Returns:
        A function that gives seconds.

    Examples:
        >>> clock = clock_of(torch.device("cpu"))
        >>> clock() <= clock()
        True
    """
    if device.type == "cpu":
        return time.perf_counter
    wait = getattr(torch, device.type).synchronize  # torch.cuda, torch.mps

    def now() -> float:
        wait()
        return time.perf_counter()

    return now
