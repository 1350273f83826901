"""Where a loss that is not finite comes from: the first layer, and the dead ReLUs of each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from imprint.outputs import map_tensors
from imprint.taps import guest

__all__ = ["Diagnosis", "diagnose"]


@dataclass(frozen=True)
class Diagnosis:
    """What a forward pass shows of a network that has failed.

    Args:
        bad_input: whether the images themselves hold a value that is not finite.
        bad_weights: the first module with a parameter that is not finite, or None.
        bad_layer: the first module with an output that is not finite, or None.
        dead_relus: the share of ReLU units, a module, that are zero or less for the whole batch;
            units of a convolution are its channels.

    Examples:
        >>> print(Diagnosis(False, None, "conv1", {"relu1": 0.5}))
        the first layer with a non-finite output is conv1; dead ReLUs: relu1 50 %
    """

    bad_input: bool
    bad_weights: str | None
    bad_layer: str | None
    dead_relus: dict[str, float]

    def __str__(self) -> str:
        parts = ["the images hold non-finite pixels"] if self.bad_input else []
        if self.bad_weights is not None:
            parts.append(f"{self.bad_weights} has non-finite weights, from before this step")
        if self.bad_layer is not None:
            parts.append(f"the first layer with a non-finite output is {self.bad_layer}")
        else:
            parts.append("every layer's output is finite, the loss itself overflowed")
        shares = ", ".join(f"{name} {share:.0%}" for name, share in self.dead_relus.items())
        return "; ".join([*parts, f"dead ReLUs: {shares or 'the model has none'}"]).replace(
            "%", " %"
        )


@torch.no_grad()
def diagnose(model: nn.Module, images: Tensor) -> Diagnosis:
    """Run a batch through a network and look at each layer.

    Args:
        model: any `nn.Module`; it is left as it was. Layers are looked at in the order in which
            they run; rectifications are seen whether they are modules or functions.
        images: `(N, C, H, W)`, the batch whose loss was not finite.

    Returns:
        The diagnosis.

    Examples:
        >>> model = nn.Sequential(nn.Linear(1, 2), nn.ReLU())
        >>> _ = nn.init.constant_(model[0].weight, torch.nan)
        >>> diagnose(model, torch.ones(3, 1)).bad_layer
        '0'
    """
    watch = _Watch()
    handles = [
        handle
        for name, module in model.named_modules()
        for handle in (
            module.register_forward_pre_hook(watch.entering(name)),
            module.register_forward_hook(watch.leaving(name)),
        )
    ]
    try:
        with guest(model, training=True), watch:  # as it failed, batch norm included
            model(images)
    finally:
        for handle in handles:
            handle.remove()
    return Diagnosis(not _finite(images), _broken_weights(model), watch.bad_layer, watch.dead_relus)


class _Watch(TorchFunctionMode):
    """Knows which module is running, sees each ReLU's output and the first that is not finite."""

    def __init__(self) -> None:
        super().__init__()
        self.bad_layer: str | None = None
        self.dead_relus: dict[str, float] = {}
        self._running: list[str] = []

    def entering(self, name: str) -> Callable[..., None]:
        def note(*_: Any) -> None:
            self._running.append(name)

        return note

    def leaving(self, name: str) -> Callable[..., None]:
        def look(_module: nn.Module, _inputs: Any, output: Any) -> None:
            self._running.pop()
            if self.bad_layer is None and not _finite(output):
                self.bad_layer = name or "the model's own forward"

        return look

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if func in _RELUS:
            name = (self._running[-1] if self._running else "") or "the model's own forward"
            while name in self.dead_relus:
                name += "'"  # a module that rectifies twice
            self.dead_relus[name] = _dead_share(output)
        return output


_RELUS = {F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, F.relu6}


def _dead_share(output: Tensor) -> float:
    """The share of units (channels of a map) whose output is at most 0 in all samples."""
    units = output.flatten(2).amax(2) if output.ndim > 2 else output
    return float((units <= 0).all(0).float().mean())


def _finite(output: Any) -> bool:
    found: list[bool] = []

    def look(tensor: Tensor) -> Tensor:
        found.append(bool(tensor.isfinite().all()))
        return tensor

    map_tensors(output, look)
    return all(found)


def _broken_weights(model: nn.Module) -> str | None:
    named = model.named_parameters()
    broken = (name.rpartition(".")[0] for name, weight in named if not _finite(weight.data))
    return next(broken, None)
