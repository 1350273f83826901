"""How layers are named: as the model names them, with the number of a run where it has several."""

from collections.abc import Sequence

from torch import nn

from imprint.errors import InvalidValueError
from imprint.taps import find_layer

__all__ = ["RUN", "check_layers", "split_run"]

RUN = "#"
"""Stands between a layer's name and the number of its run, where it runs several times."""


def split_run(model: nn.Module, layer: str) -> tuple[str, int]:
    """Take a layer's name apart from the number of its run.

    Args:
        model: any `nn.Module`.
        layer: a name out of `model.named_modules()`, alone or with `#2` behind it.

    Returns:
        the layer's name, and the run from 1.

    Raises:
        LayerError: where the model has no such layer.

    Examples:
        >>> split_run(nn.Sequential(nn.ReLU()), "0#2")
        ('0', 2)
    """
    name, mark, number = layer.rpartition(RUN)
    if mark and number.isdecimal() and int(number) > 1:
        find_layer(model, name)
        return name, int(number)
    find_layer(model, layer)
    return layer, 1


def check_layers(model: nn.Module, layers: Sequence[str] | None) -> tuple[str, ...] | None:
    """Check the names of the layers that are asked for.

    Args:
        model: any `nn.Module`.
        layers: names out of `model.named_modules()`, each once; None for the default.

    Returns:
        The same names.

    Raises:
        InvalidValueError: where none is named, or one twice.
        LayerError: where the model has no such layer.

    Examples:
        >>> check_layers(nn.Sequential(nn.ReLU()), ["0"])
        ('0',)
    """
    if layers is None:
        return None
    names = (layers,) if isinstance(layers, str) else tuple(layers)
    if not names:
        raise InvalidValueError("layers: expected at least one name, got none")
    for name in names:
        split_run(model, name)
        if names.count(name) > 1:
            raise InvalidValueError(f"layers: expected each name once, got {name!r} twice")
    return names
