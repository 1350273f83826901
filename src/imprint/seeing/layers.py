"""A layer's maps for every layer: the way of images through a whole network."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from imprint.errors import LayerError
from imprint.seeing.images import check_images, told_as_misfit
from imprint.seeing.layer_names import RUN, check_layers
from imprint.seeing.reading import Reading, are_maps, check_maps, watching
from imprint.taps import guest

__all__ = ["LayerMaps", "layer_maps", "run_through"]


class LayerMaps(NamedTuple):
    """What one layer put out for a batch of images.

    Attributes:
        name: the layer's name; its second run in a forward pass is `name#2`, and so on.
        kind: the name of the module's type.
        maps: `(N, C, H, W)`, a copy.
    """

    name: str
    kind: str
    maps: Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        _, channels, height, width = self.maps.shape
        return channels, height, width


def layer_maps(
    model: nn.Module, images: Tensor, *, layers: Sequence[str] | None = None
) -> tuple[LayerMaps, ...]:
    """Run a batch once and give the maps of its layers, in order of execution.

    Without names, these are the modules that contain no others and put out maps; those that pass
    their input on as it is, such as a dropout at rest, are left out. A layer that runs several
    times in a forward pass is given once a run. Maps kept as `(N, H, W, C)`, as ConvNeXt does
    around its linear layers, are turned.

    Args:
        model: any `nn.Module`; it runs in eval mode without gradients and is left as it was.
        images: `(N, C, H, W)`, floats, as the model takes them.
        layers: names out of `model.named_modules()`, each once; any module, also one that contains
            others. Their order does not matter.

    Returns:
        A record a layer and run; the maps are copies, so that no later layer changes them in place.

    Raises:
        InvalidValueError: for images that are none, or that the model does not take, and for a name
            that is given twice.
        LayerError: for an unknown name, a layer that does not run or puts out no maps, and a model
            without any.

    Examples:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        >>> [(row.name, row.kind, row.shape) for row in layer_maps(model, torch.rand(5, 1, 8, 8))]
        [('0', 'Conv2d', (4, 6, 6)), ('1', 'ReLU', (4, 6, 6))]
    """
    rows: list[LayerMaps] = []

    def keep(reading: Reading) -> None:
        rows.append(LayerMaps(reading.name, type(reading.module).__name__, reading.maps.clone()))

    images = check_images(model, images, finite=False)
    with guest(model), torch.no_grad():
        run_through(model, images, keep, layers)
    return tuple(rows)


def run_through(
    model: nn.Module,
    images: Tensor,
    sink: Callable[[Reading], None],
    layers: Sequence[str] | None = None,
) -> None:
    """Run a model once, and hand the maps of all layers, or of named ones, to a function.

    Args:
        model: any `nn.Module`, in the mode that it is to run in; its hooks are removed again.
        images: `(N, C, H, W)`.
        sink: gets each layer's reading while the model runs, in order of execution.
        layers: names out of `model.named_modules()`, each once; None for all that contain no others
            and put out maps.

    Raises:
        InvalidValueError: for images that the model does not take, or a name that is given twice.
        LayerError: for an unknown name, a named layer that does not run or puts out no maps, and a
            model without any.

    Examples:
        >>> names: list[str] = []
        >>> model = nn.Sequential(nn.ReLU(), nn.Flatten())
        >>> run_through(model, torch.zeros(1, 1, 2, 2), lambda each: names.append(each.name))
        >>> names
        ['0']
    """
    wanted = check_layers(model, layers)
    found: set[str] = set()
    shapes: dict[str, str] = {}

    def see(reading: Reading) -> None:
        shapes[reading.name] = f"{reading.name} {tuple(reading.output.shape)}"
        if _is_named(reading, wanted, len(images)) if wanted else _is_shown(reading, len(images)):
            found.update((reading.name, reading.name.rpartition(RUN)[0]))
            sink(reading)

    with watching(model, see), told_as_misfit(images):
        model(images.clone())  # a first layer may work in place
    missing = [name for name in wanted or () if name not in found]
    if missing:
        raise LayerError(f"layer {missing[0]!r}: expected a layer that runs, got one that did not")
    if not found:
        raise LayerError(
            "model: expected a layer that puts out maps (N, C, H, W), such as a convolution; its "
            f"layers put out {', '.join(list(shapes.values())[:12]) or 'nothing'}"
        )


def _is_shown(reading: Reading, count: int) -> bool:
    """A module without parts whose maps are its own."""
    leaf = next(reading.module.children(), None) is None
    return leaf and not reading.passes and are_maps(reading.output, count)


def _is_named(reading: Reading, wanted: Sequence[str], count: int) -> bool:
    """Tell whether a layer is asked for; one that is must put out maps."""
    name, _, number = reading.name.rpartition(RUN)
    if reading.name not in wanted and not (number.isdecimal() and name in wanted):
        return False
    check_maps(reading, count)
    return True
