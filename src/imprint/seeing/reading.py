"""Reading a model's maps while it runs, whatever axis it keeps the channels on."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from imprint.errors import LayerError
from imprint.outputs import first_tensor
from imprint.seeing.images import told_as_misfit
from imprint.seeing.layer_names import RUN, split_run
from imprint.seeing.layout import Layout
from imprint.taps import guest, untraced

__all__ = [
    "Reading",
    "are_maps",
    "check_maps",
    "maps_to",
    "run_to",
    "watching",
]


class Reading(NamedTuple):
    """What a layer put out in one run.

    Attributes:
        name: the layer's, with `#2` behind it for its second run in a forward pass, and so on.
        module: the layer itself.
        output: what it put out, or the first tensor of that.
        channels: the axis that holds the channels.
        passes: whether the output is the input as it came, as from a dropout at rest.
    """

    name: str
    module: nn.Module
    output: Tensor
    channels: int
    passes: bool

    @property
    def maps(self) -> Tensor:
        """The output as `(N, C, H, W)`, a view; the output itself where it is no map."""
        return self.output if self.channels == 1 else self.output.movedim(self.channels, 1)


@contextmanager
def watching(model: nn.Module, see: Callable[[Reading], None]) -> Iterator[None]:
    """Show each module's output to a function while the model runs, in order of execution.

    Args:
        model: any `nn.Module`; its hooks are removed on exit, also after an error.
        see: gets a reading; modules that put out no tensor are left out. A module that contains
            others comes after them.

    Yields:
        Nothing.

    Examples:
        >>> names: list[str] = []
        >>> model = nn.Sequential(nn.ReLU(), nn.Flatten())
        >>> with watching(model, lambda reading: names.append(reading.name)):
        ...     output = model(torch.zeros(1, 1, 2, 2))
        >>> names
        ['0', '1']
    """
    layout, runs = Layout(), dict.fromkeys((name for name, _ in model.named_modules()), 0)

    def hook(name: str) -> Callable[..., None]:
        def read(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            inputs = (*args, *kwargs.values())
            runs[name] += 1
            try:
                tensor = first_tensor(output, name)
            except LayerError:
                return
            numbered = name if runs[name] == 1 else f"{name}{RUN}{runs[name]}"
            passes = _passes(module, inputs, tensor)
            see(Reading(numbered, module, tensor, layout.channels(module, inputs, tensor), passes))

        return untraced(read)

    with ExitStack() as stack:
        for name, module in model.named_modules():
            if name:
                handle = module.register_forward_hook(hook(name), with_kwargs=True)
                stack.callback(handle.remove)
        yield


class _ReachedError(Exception):
    """Leaves a forward pass that has gone far enough."""


def run_to(model: nn.Module, layer: str, images: Tensor) -> Reading:
    """Run a model until a layer has ended; nothing after it is computed.

    Args:
        model: any `nn.Module`, in the mode that it is to run in; its hooks are removed again.
        layer: a name out of `model.named_modules()`; of a layer that runs several times the first
            run, or the second by `name#2`.
        images: `(N, C, H, W)`.

    Returns:
        What the layer put out.

    Raises:
        InvalidValueError: where the model does not take the images.
        LayerError: where there is no such layer, or it does not run.

    Examples:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True))
        >>> run_to(model, "0", torch.zeros(2, 1, 8, 8)).maps.shape
        torch.Size([2, 4, 6, 6])
    """
    split_run(model, layer)
    reached: list[Reading] = []

    def see(reading: Reading) -> None:
        if reading.name == layer:
            reached.append(reading)
            raise _ReachedError

    with watching(model, see):
        try:
            with told_as_misfit(images):
                model(images.clone())  # a first layer may work in place
        except _ReachedError:
            return reached[0]
    raise LayerError(f"layer {layer!r}: expected a layer that runs, got one that did not")


def maps_to(model: nn.Module, layer: str, images: Tensor) -> Tensor:
    """Read a layer's maps; the model runs up to there in eval mode without gradients.

    Args:
        model: any `nn.Module`; it is left as it was.
        layer: a name, as for `run_to`.
        images: `(N, C, H, W)`.

    Returns:
        `(N, C, H, W)`, the layer's.

    Raises:
        InvalidValueError: where the model does not take the images.
        LayerError: where there is no such layer, it does not run, or gives no maps.

    Examples:
        >>> maps_to(nn.Sequential(nn.Conv2d(1, 4, 3)), "0", torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 4, 6, 6])
    """
    with guest(model), torch.no_grad():
        reading = run_to(model, layer, images)
        check_maps(reading, len(images))
        return reading.maps


def are_maps(output: Tensor, count: int) -> bool:
    """Tell whether a tensor holds maps, a row an image.

    Args:
        output: any tensor.
        count: N, the images that the model ran on.

    Returns:
        True for floats `(N, C, H, W)`.

    Examples:
        >>> are_maps(torch.zeros(2, 3, 4, 4), 2), are_maps(torch.zeros(1, 3, 4, 4), 2)
        (True, False)
    """
    return output.is_floating_point() and output.ndim == 4 and len(output) == count


def check_maps(reading: Reading, count: int, *, vectors: bool = False) -> None:
    """Check that a layer put out maps.

    Args:
        reading: what it put out.
        count: N, the images that the model ran on.
        vectors: whether vectors `(N, D)` will do, too.

    Raises:
        LayerError: where it put out something else.

    Examples:
        >>> check_maps(Reading("vit", nn.Identity(), torch.zeros(1, 5, 8), 1, False), 1)
        Traceback (most recent call last):
        imprint.errors.LayerError: layer 'vit': expected maps (N, C, H, W), got (1, 5, 8)...
    """
    output = reading.output
    if are_maps(output, count) or (vectors and are_maps(output[..., None, None], count)):
        return
    expected = "maps (N, C, H, W) or vectors (N, D)" if vectors else "maps (N, C, H, W)"
    tokens = "; tokens have no rows and columns" if output.ndim == 3 else ""
    got = f"{tuple(output.shape)} of {output.dtype}{tokens}"
    raise LayerError(f"layer {reading.name!r}: expected {expected}, got {got}")


def _passes(module: nn.Module, inputs: Any, output: Tensor) -> bool:
    """An in-place module gives its input, too, yet has changed it."""
    return any(value is output for value in inputs) and not getattr(module, "inplace", False)
