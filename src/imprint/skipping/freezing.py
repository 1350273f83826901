"""Layers that have learned stop learning, while those behind them train on."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from imprint.errors import InvalidValueError, LayerError
from imprint.outputs import first_tensor, map_tensors
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
        InvalidValueError: for no layer, or a share out of its range.
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
        self._parts = {layer: _before(model, images[:2], layer) for layer in times}

    def frozen(self, done: float) -> list[str]:
        """Name the layers up to which the network is frozen.

        Args:
            done: the share of the training that is done, in [0, 1].

        Returns:
            Those whose time has come.
        """
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


def check_times(times: Mapping[str, float]) -> None:
    """Check when layers are to freeze.

    Args:
        times: a share of the training for each layer.

    Raises:
        InvalidValueError: for no layer, or a share out of its range.

    Examples:
        >>> check_times({"block1": 50})
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: layer 'block1': expected a share in [0, 1], got 50
    """
    if not times:
        raise InvalidValueError("layers to freeze: expected one at least, got none")
    for layer, time in times.items():
        if not (isinstance(time, int | float) and 0 <= time <= 1):
            raise InvalidValueError(f"layer {layer!r}: expected a share in [0, 1], got {time!r}")


def _before(model: nn.Module, images: Tensor, layer: str) -> list[nn.Parameter]:
    """The weights that no gradient reaches once a layer's maps are cut off."""
    check_carries_all_data(model, layer, images)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    with guest(model), torch.enable_grad(), hooked(model, layer, _cut):
        answer = first_tensor(model(images), "the model's output").sum()
        if not answer.requires_grad:
            raise LayerError(_expected(layer, "behind"))
        gradients = torch.autograd.grad(answer, weights, allow_unused=True)
    before = [w for w, gradient in zip(weights, gradients, strict=True) if gradient is None]
    if not before:
        raise LayerError(_expected(layer, "before"))
    return before


def _expected(layer: str, where: str) -> str:
    return f"layer {layer!r}: expected one with weights that train {where} it, got none there"


def _cut(_module: nn.Module, _inputs: Any, output: Any) -> Any:
    return map_tensors(output, Tensor.detach)
