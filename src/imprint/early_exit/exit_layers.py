"""Where a network could answer early."""

from collections.abc import Sequence

from torch import Tensor, nn

from imprint.early_exit.costs import layer_seconds
from imprint.errors import LayerError
from imprint.taps import candidate_layers, check_carries_all_data, clock_of, spread

__all__ = ["exit_layers"]

MOST = 8
"""Layers that are tried, where none are given."""

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
        >>> import torch
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
