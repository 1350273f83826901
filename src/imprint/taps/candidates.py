"""Where in a network rows may leave: layers through which all data flow."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from imprint.errors import LayerError
from imprint.outputs import first_tensor
from imprint.taps.flow import carries_all_data
from imprint.taps.guests import guest

__all__ = ["candidate_layers", "spread"]


@torch.no_grad()
def candidate_layers(model: nn.Module, images: Tensor, *, enough: int = 12) -> list[str]:
    """List layers through which all data flow, in forward order.

    Of layers that give the very same maps, such as a block and its last layer, the outermost
    stands for all. What lies within a layer is looked at only until there are enough of them, and
    not at all where data pass around the layer.

    Args:
        model: any `nn.Module`; it is left as it was.
        images: `(N, C, H, W)`, N at least 2, as the model takes them.
        enough: how many layers end the search, once all of the same depth are looked at.

    Returns:
        Their names out of `model.named_modules()`.

    Examples:
        >>> model = nn.Sequential(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()), nn.Flatten())
        >>> candidate_layers(model, torch.zeros(2, 1, 8, 8))
        ['0.0', '0', '1']
    """
    two = images[:2]
    order = _in_forward_order(model, two)
    fitting: list[str] = []
    passed_by: list[str] = []
    for depth in sorted({name.count(".") for name in order}):
        if len(fitting) >= enough:
            break
        for name in order:
            if name.count(".") == depth and not name.startswith(tuple(passed_by)):
                if carries_all_data(model, name, two):
                    fitting.append(name)
                else:
                    passed_by.append(f"{name}.")
    return sorted(fitting, key=order.index)


def _in_forward_order(model: nn.Module, two: Tensor) -> list[str]:
    """The modules that gave a row for each of two images; of those with the same maps, one."""
    finished: list[tuple[str, Tensor]] = []

    def note(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            try:
                finished.append((name, first_tensor(output, name)))
            except LayerError:  # it gives no tensor
                return

        return hook

    with guest(model), ExitStack() as stack:
        for name, module in model.named_modules():
            if name:
                stack.callback(module.register_forward_hook(note(name)).remove)
        model(two)
    names = [name for name, _ in finished]
    outermost: dict[int, str] = {}  # of those that give the very same tensor
    for name, maps in sorted(finished, key=lambda pair: pair[0].count(".")):
        if maps.ndim and len(maps) == 2:
            outermost.setdefault(id(maps), name)
    chosen = set(outermost.values())
    return list(dict.fromkeys(name for name in names if name in chosen))


def spread(names: Sequence[str], seconds: Sequence[float], *, most: int) -> list[str]:
    """Thin layers out to some that lie evenly over a network's time, the first one among them.

    Args:
        names: in forward order.
        seconds: after which each has put out its maps, ascending.
        most: how many stay at most, at least 1.

    Returns:
        The names that stay.

    Examples:
        >>> spread(["a", "b", "c", "d", "e"], [1.0, 1.1, 2.0, 2.1, 3.0], most=3)
        ['a', 'c', 'e']
    """
    if len(names) <= most:
        return list(names)
    stay = [0]
    gap = (seconds[-1] - seconds[0]) / most
    for i in range(1, len(names)):
        if seconds[i] - seconds[stay[-1]] > gap:
            stay.append(i)
    return [names[i] for i in stay]
