"""Layers that have learned stop learning, while those behind them train on."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from imprint.errors import InvalidValueError, LayerError
from imprint.outputs import map_tensors
from imprint.ranks import unwrap
from imprint.taps import check_carries_all_data, guest, hooked

__all__ = ["ProgressiveFreezing", "check_times"]

ROUNDING = 1e-9
"""Shares such as 0.3 and 1 - 0.7 differ in their last bit, and mean the same epoch."""


class ProgressiveFreezing:
    """Freeze a network up to a layer once a share of its training is done.

    First layers learn soonest (Raghu and others, NeurIPS 2017) and see the largest maps, so their
    part of the backward pass costs most. Frozen, it is not run, and their maps need no graph.
    FreezeOut (Brock and others, 2017) does so layer by layer, each with a learning rate of its own
    that has fallen to 0 by then; here the rate is the optimizer's.

    Args:
        model: any `nn.Module`; outside `at` it is as it was.
        images: at least two, as the model takes them; they show which weights lie before a layer.
        times: for each layer, a name out of `model.named_modules()` through which all data flow,
            the share of the training after which all up to it, it included, is frozen, in [0, 1].

    Attributes:
        times: as given, by share.

    Raises:
        InvalidValueError: for no layer, a share out of its range, or a layer that would be frozen
            sooner, by a layer behind it.
        LayerError: for a layer that is not there, that data pass around, or that has no weights
            that train before it and in it, or none behind it.

    Examples:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        >>> freezing = ProgressiveFreezing(model, torch.rand(2, 1, 8, 8), {"0": 0.25})
        >>> for epoch in range(4):
        ...     with freezing.at(epoch / 4):
        ...         print(model[0].weight.requires_grad, model[3].weight.requires_grad)
        True True
        False True
        False True
        False True
    """

    def __init__(self, model: nn.Module, images: Tensor, times: Mapping[str, float]) -> None:
        check_times(times)
        self.times = dict(sorted(times.items(), key=lambda pair: pair[1]))
        self._parts = {layer: _before(model, images[:2], layer) for layer in self.times}
        _check_order(self.times, self._parts)

    def frozen(self, done: float) -> list[str]:
        """Name the layers up to which the network is frozen.

        Args:
            done: the share of the training that is done, in [0, 1].

        Returns:
            Those whose time has come.

        Raises:
            InvalidValueError: for a share out of its range.
        """
        if not _is_share(done):
            raise InvalidValueError(f"done: expected a share in [0, 1], got {done!r}")
        return [layer for layer, time in self.times.items() if time <= done + ROUNDING]

    @contextmanager
    def at(self, done: float) -> Iterator[None]:
        """Freeze what is due while the block runs; afterwards all trains as it did before.

        Args:
            done: the share of the training that is done, in [0, 1].
        """
        due = [weight for layer in self.frozen(done) for weight in self._parts[layer]]
        frozen = [weight for weight in due if weight.requires_grad]
        for weight in frozen:
            weight.requires_grad = False
            weight.grad = None  # an optimizer would step with what is left there
        try:
            yield
        finally:
            for weight in frozen:
                weight.requires_grad = True


def check_times(times: Mapping[str, float], *, epochs: int | None = None) -> None:
    """Check when layers are to freeze.

    Args:
        times: a share of the training for each layer.
        epochs: of the training, where layers freeze between them alone.

    Raises:
        InvalidValueError: for no layer, a share out of its range, or one past the beginning of
            the last epoch, so that nothing would ever be frozen.

    Examples:
        >>> check_times({"block1": 50})
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: layer 'block1': expected a share in [0, 1], got 50
    """
    if not times:
        raise InvalidValueError("layers to freeze: expected one at least, got none")
    for layer, time in times.items():
        if not _is_share(time):
            raise InvalidValueError(f"layer {layer!r}: expected a share in [0, 1], got {time!r}")
        if epochs is not None and time > 1 - 1 / epochs + ROUNDING:
            expected = f"at most {1 - 1 / epochs:.3g}, where the last of {epochs} epochs begins"
            raise InvalidValueError(f"layer {layer!r}: expected {expected}; got {time!r}")


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float | np.floating) and 0 <= float(value) <= 1


def _check_order(times: Mapping[str, float], parts: Mapping[str, list[nn.Parameter]]) -> None:
    """Find a layer that another one behind it freezes before its time."""
    held = {layer: set(map(id, weights)) for layer, weights in parts.items()}
    for sooner, later in combinations(times, 2):  # in the order of their times
        if held[later] < held[sooner] and times[sooner] < times[later]:
            expected = f"at most {times[sooner]}, when {sooner!r} behind it freezes it too"
            raise InvalidValueError(f"layer {later!r}: expected {expected}; got {times[later]}")


def _before(model: nn.Module, images: Tensor, layer: str) -> list[nn.Parameter]:
    """The weights that make a layer's maps, and nothing that comes after them."""
    bare = getattr(model, "_orig_mod", model)  # compiled code would take the hooks in
    model, layer = unwrap(bare, layer.removeprefix("_orig_mod."))
    check_carries_all_data(model, layer, images)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    made: set[int] = set()
    with guest(model), torch.enable_grad():
        with hooked(model, layer, lambda _, __, maps: made.update(_reached(maps, weights))):
            model(images)
        with hooked(model, layer, _cut):
            behind = _reached(model(images), weights)
    if not behind:
        raise LayerError(_expected(layer, "behind"))
    before = [weight for weight in weights if id(weight) in made - behind]
    if not before:
        raise LayerError(_expected(layer, "before"))
    return before


def _reached(output: Any, weights: Sequence[nn.Parameter]) -> set[int]:
    """The ids of the weights that any tensor of an output is made with."""
    sums: list[Tensor] = []

    def add(tensor: Tensor) -> Tensor:
        sums.extend([tensor.sum()] if tensor.requires_grad else [])
        return tensor

    map_tensors(output, add)
    if not sums:
        return set()
    gradients = torch.autograd.grad(sums, list(weights), allow_unused=True)
    pairs = zip(weights, gradients, strict=True)
    return {id(weight) for weight, gradient in pairs if gradient is not None}


def _expected(layer: str, where: str) -> str:
    return f"layer {layer!r}: expected one with weights that train {where} it, got none there"


def _cut(_module: nn.Module, _inputs: Any, output: Any) -> Any:
    return map_tensors(output, Tensor.detach)
