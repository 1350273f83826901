"""Where a network could answer early, and the seconds to get there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor, nn

from imprint.early_exit.answerers import Exit
from imprint.early_exit.exits import early_exits
from imprint.early_exit.first_network import FirstNetwork
from imprint.early_exit.heads import Head, HeadKind
from imprint.early_exit.routes import Costs
from imprint.errors import LayerError
from imprint.taps import (
    Clock,
    candidate_layers,
    check_carries_all_data,
    clock_of,
    forward_stamps,
    guest,
    maps_at,
    spread,
    take_turns,
)

__all__ = [
    "Answer",
    "exit_layers",
    "exit_seconds",
    "layer_seconds",
    "measure_costs",
    "network_costs",
    "rest_of_network",
]

Answer = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From maps to logits, and how sure they are."""

MOST = 8
"""Layers that are tried, where none are given."""

FEWER = 8
"""How many times fewer rows run to see what does not shrink with them."""

OTHER = 20_000_000
"""Numbers that take the maps' place in the caches, as the rest of a network does."""

LATE = 0.95
"""Share of the network's time after which an exit saves nothing."""


def exit_layers(model: nn.Module, images: Tensor, layers: Sequence[str] | None = None) -> list[str]:
    """Check layers at which rows are to leave, or find some.

    Args:
        model: any `nn.Module`; it is left as it was.
        images: `(N, C, H, W)`, N at least 2, as the model takes them.
        layers: names out of `model.named_modules()`; None looks for some that lie evenly over the
            network's time, through which all data flow.

    Returns:
        Their names, in the order in which they run.

    Raises:
        LayerError: for a layer that is missing or through which not all data flow, or where there
            is none.

    Examples:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        >>> exit_layers(model, torch.zeros(2, 1, 8, 8), ["1", "0"])
        ['0', '1']
    """
    if layers is None:
        return _found(model, images)
    if not layers or len(set(layers)) < len(layers):
        raise LayerError(f"layers: expected one or more, each once; got {', '.join(layers)}")
    for layer in layers:
        check_carries_all_data(model, layer, images[:2])
    seconds = layer_seconds(model, images[:2], layers, clock_of(images.device))
    return sorted(layers, key=dict(zip(layers, seconds[:-1], strict=True)).__getitem__)


def _found(model: nn.Module, images: Tensor) -> list[str]:
    names = candidate_layers(model, images)
    *seconds, whole = layer_seconds(model, images, names, clock_of(images.device))
    early = [(name, own) for name, own in zip(names, seconds, strict=True) if own <= LATE * whole]
    if not early:
        raise LayerError("layers: expected some through which all data flow, found none")
    chosen: list[str] = spread([name for name, _ in early], [own for _, own in early], most=MOST)
    return chosen


def layer_seconds(
    model: nn.Module, images: Tensor, layers: Sequence[str], clock: Clock
) -> tuple[float, ...]:
    """Measure a few forward passes: the fastest to each layer, and in all.

    Args:
        model: any `nn.Module`; it runs in eval mode and is left as it was.
        images: `(N, C, H, W)`, a batch.
        layers: names out of `model.named_modules()`.
        clock: gives the time in seconds.

    Returns:
        The seconds to each layer, then those of the whole pass.

    Examples:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> first, whole = layer_seconds(
        ...     model, torch.zeros(2, 1, 2, 2), ["0"], clock_of(torch.device("cpu"))
        ... )
        >>> 0 < first < whole
        True
    """
    with guest(model), torch.inference_mode():
        turns = take_turns(
            {"model": partial(forward_stamps, model, images, layers, clock=clock)},
            seconds=0,
            clock=clock,
        )["model"]
    return tuple(min(times) for times in zip(*turns, strict=True))


def measure_costs(
    model: nn.Module,
    layers: Sequence[str],
    images: Tensor,
    heads: Mapping[HeadKind, Sequence[Head]],
    first: nn.Module | None = None,
) -> dict[HeadKind, Costs]:
    """Measure the seconds of a sample, in batches such as these.

    Args:
        model: any `nn.Module`; it is left as it was.
        layers: names out of `model.named_modules()`.
        images: `(N, C, H, W)`, a batch.
        heads: for each kind one a layer.
        first: a network that is asked before the model; None for none.

    Returns:
        For each kind the seconds to each layer and to the end, and those of an exit at each, open
        or with no row that leaves; a first network stands before the layers.

    Raises:
        LayerError: where a layer is missing.

    Examples:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        >>> heads = {"probe": [Head(torch.zeros(2, 8), torch.zeros(2))] * 2}
        >>> costs = measure_costs(model, ["0", "1"], torch.zeros(2, 1, 8, 8), heads)["probe"]
        >>> 0 < costs.layers[0] < costs.layers[1] < costs.whole
        tensor(True)
    """
    network = network_costs(model, layers, images)
    maps = [maps_at(model, layer, images) for layer in layers]
    between = rest_of_network(model, images)

    def seconds(of_kind: Sequence[Head], leaving: float) -> Tensor:
        exits = [
            exit_seconds(
                own,
                Exit("", tuple(own.shape[1:]), head.to(own.device), torch.inf).answer,
                between,
                leaving=leaving,
            )
            for own, head in zip(maps, of_kind, strict=True)
        ]
        return torch.tensor(exits) / len(images)

    costs = {
        kind: network._replace(heads=seconds(of_kind, 0.5), idle=seconds(of_kind, 0.0))
        for kind, of_kind in heads.items()
    }
    if first is None:
        return costs
    asked = _first_seconds(first, images) / len(images)
    return {kind: own.behind(asked) for kind, own in costs.items()}


def _first_seconds(first: nn.Module, images: Tensor) -> float:
    """What it takes to ask a network first."""
    with guest(first):
        answer = FirstNetwork(first, tuple(images.shape[1:]), torch.inf).answer
        return exit_seconds(images, answer)


def network_costs(model: nn.Module, layers: Sequence[str], images: Tensor) -> Costs:
    """Measure a network alone, in a full batch and in an eighth of it.

    Args:
        model: any `nn.Module`; it is left as it was.
        layers: names out of `model.named_modules()`.
        images: `(N, C, H, W)`, a full batch.

    Returns:
        The costs, those of heads 0.

    Examples:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        >>> costs = network_costs(model, ["0"], torch.zeros(16, 1, 8, 8))
        >>> bool((costs.fixed <= costs.ends).all()), costs.batch_size
        (True, 16)
    """
    clock, count = clock_of(images.device), len(images)
    few = images[: max(1, count // FEWER)]
    ends = torch.tensor(layer_seconds(model, images, layers, clock))
    fixed = None
    if len(few) < count:
        of_few = torch.tensor(layer_seconds(model, few, layers, clock))
        fixed = _fixed(ends, of_few, len(few) / count) / count
    ends = ends / count
    return Costs(ends[:-1], torch.zeros(len(layers)), float(ends[-1]), fixed, count)


def _fixed(ends: Tensor, of_few: Tensor, share: float) -> Tensor:
    """Seconds to each end that do not shrink with the rows: where a line meets no row at all."""
    full, few = (own.diff(prepend=torch.zeros(1)).clamp_min(0) for own in (ends, of_few))
    fixed = ((few - share * full) / (1 - share)).clamp_min(0)
    return torch.minimum(fixed, full).cumsum(0)


def rest_of_network(model: nn.Module, images: Tensor) -> Callable[[], None]:
    """Make what stands for the rest of a network between two measurements of an exit.

    Args:
        model: any `nn.Module`; it is left as it was.
        images: `(N, C, H, W)`, of which one runs.

    Returns:
        A function after which caches hold the network's own numbers, and no longer the maps.

    Examples:
        >>> rest_of_network(nn.Flatten(), torch.zeros(2, 1, 2, 2))()
    """
    other = torch.zeros(OTHER, device=images.device)

    def run() -> None:
        with guest(model):
            model(images[:1])
        other.add_(1)

    return run


class _Passing(nn.Module):
    """Gives logits of the rows that a layer lets through, and does nothing else."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.layer = nn.Identity()
        self._logits = logits

    def forward(self, maps: Tensor) -> Tensor:
        return self._logits[: len(self.layer(maps))]


@dataclass(frozen=True, eq=False)
class _Timed:
    """An exit at that layer."""

    shape: tuple[int, ...]
    threshold: float
    answer: Answer
    layer: str = "layer"

    def to(self, _device: torch.device) -> Self:
        return self


@torch.inference_mode()
def exit_seconds(
    maps: Tensor,
    answer: Answer,
    between: Callable[[], Any] = lambda: None,
    *,
    leaving: float = 0.5,
) -> float:
    """Measure what an exit costs: to answer, to let rows go on, and to join the answers.

    Args:
        maps: `(N, ...)`, of a layer; a single one goes on.
        answer: gives logits `(N, K)` and how sure they are, `(N,)`.
        between: what runs between, as the network does, and leaves its own data in the caches.
        leaving: share of the rows that leave there, in [0, 1).

    Returns:
        The fastest of a few, in seconds.

    Examples:
        >>> exit_seconds(torch.ones(4, 3), lambda maps: (maps, maps[:, 0])) > 0
        True
    """
    logits, sureness = answer(maps)
    clock, network = clock_of(maps.device), _Passing(logits).eval()
    leaves = leaving and len(maps) > 1
    threshold = float(sureness.float().quantile(1 - leaving)) if leaves else torch.inf

    def run() -> float:
        between()
        start = clock()
        network(maps)
        return clock() - start

    alone = min(take_turns({"": run}, seconds=0, clock=clock)[""])
    with early_exits(network, [_Timed(tuple(maps.shape[1:]), threshold, answer)]):
        opened = min(take_turns({"": run}, seconds=0, clock=clock)[""])
    return max(opened - alone, 0.0)
