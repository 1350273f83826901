"""The seconds to each layer of a network, and of exits there."""

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from imprint.early_exit.answerers import Exit
from imprint.early_exit.exit_seconds import exit_seconds, rest_of_network, seconds_a_sample
from imprint.early_exit.first_network import FirstNetwork
from imprint.early_exit.heads import Head, HeadKind
from imprint.early_exit.routes import Costs
from imprint.taps import Clock, clock_of, forward_stamps, guest, maps_at, take_turns

__all__ = ["layer_seconds", "measure_costs", "network_costs"]

FEWER = 8
"""How many times fewer rows run to see what does not shrink with them."""


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
    *,
    idle: bool = False,
) -> dict[HeadKind, Costs]:
    """Measure the seconds of a sample, in batches such as these.

    Args:
        model: any `nn.Module`; it is left as it was.
        layers: names out of `model.named_modules()`.
        images: `(N, C, H, W)`, a batch.
        heads: for each kind one a layer.
        first: a network that is asked before the model; None for none.
        idle: whether exits are measured with no row that leaves as well.

    Returns:
        For each kind the seconds to each layer and to the end, and those of an exit at each; a
        first network stands before the layers.

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

    def costs_of(of_kind: Sequence[Head]) -> Costs:
        answers = [
            Exit("", tuple(own.shape[1:]), head.to(own.device), torch.inf).answer
            for own, head in zip(maps, of_kind, strict=True)
        ]
        closed = seconds_a_sample(maps, answers, between, leaving=0.0) if idle else None
        return network._replace(heads=seconds_a_sample(maps, answers, between), idle=closed)

    costs = {kind: costs_of(of_kind) for kind, of_kind in heads.items()}
    if first is None:
        return costs
    with guest(first):
        answer = FirstNetwork(first, tuple(images.shape[1:]), torch.inf).answer
        asked = exit_seconds(images, answer, between) / len(images)
    return {kind: own.behind(asked) for kind, own in costs.items()}


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
