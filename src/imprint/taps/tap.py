"""Read what a named layer of a model puts out."""

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self

import torch
from torch import Tensor, nn

from imprint.errors import LayerError
from imprint.outputs import first_tensor
from imprint.taps.guests import check_hooks, guest

__all__ = ["Tap", "find_layer", "hooked", "maps_at"]


class Tap:
    """Read what a named layer puts out while a model runs.

    Args:
        model: any `nn.Module`.
        layer: a name out of `model.named_modules()`.

    Raises:
        LayerError: where the model has no such layer.

    Examples:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
        >>> with Tap(model, "0") as tap:
        ...     output = model(torch.zeros(2, 1, 8, 8))
        >>> tap.maps.shape
        torch.Size([2, 4, 6, 6])
    """

    def __init__(self, model: nn.Module, layer: str) -> None:
        self.layer = layer
        self.calls = 0
        self._module = find_layer(model, layer)
        self._maps: Tensor | None = None
        self._seen_version = 0
        self._handle: Any = None

    @property
    def maps(self) -> Tensor:
        """The layer's last output: the tensor itself, or the first one within a tuple or dict.

        Raises:
            LayerError: where the layer has not run inside the `with` block, or a later layer has
                changed its output in place.
        """
        if self._maps is None:
            raise LayerError(f"layer {self.layer!r}: did not run in the model's forward pass")
        if _version(self._maps) != self._seen_version:
            raise LayerError(
                f"layer {self.layer!r}: expected its output as it was, got one that a later layer "
                "changed in place, as nn.ReLU(inplace=True) does; tap that layer instead"
            )
        return self._maps

    def __enter__(self) -> Self:
        if self._handle is not None:
            raise LayerError(
                f"layer {self.layer!r}: expected a tap that is not open, got an open one"
            )
        self._maps, self.calls = None, 0
        self._handle = self._module.register_forward_hook(self._read)
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.remove()
        self._handle = None

    def _read(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        maps = first_tensor(output, self.layer)
        self._maps = maps.clone() if maps.is_inference() else maps  # those count no changes
        self._seen_version = _version(self._maps)
        self.calls += 1


def _version(maps: Tensor) -> int:
    """How often a tensor was changed in place; inference tensors do not tell."""
    return 0 if maps.is_inference() else maps._version  # noqa: SLF001


def find_layer(model: nn.Module, layer: str) -> nn.Module:
    """Find a layer by its name.

    Args:
        model: any `nn.Module`.
        layer: a name out of `model.named_modules()`.

    Returns:
        The module of that name.

    Raises:
        LayerError: where there is none; it names the closest layers.
        InvalidValueError: where the model, or the layer, takes no hooks.

    Examples:
        >>> find_layer(nn.Sequential(nn.ReLU()), "0")
        ReLU()
    """
    check_hooks(model)
    layers: dict[str, nn.Module] = dict(model.named_modules())
    if layer in layers and layer:
        check_hooks(layers[layer])
        return layers[layer]
    names = [name for name in layers if name]
    close = difflib.get_close_matches(layer, names, n=5, cutoff=0.5) or names[:12]
    raise LayerError(
        f"layer: expected one of the model's, such as {', '.join(close)}; got {layer!r}"
    )


@contextmanager
def hooked(model: nn.Module, layer: str, hook: Callable[..., Any]) -> Iterator[None]:
    """Call a hook after each run of a layer while the block runs.

    Args:
        model: any `nn.Module`.
        layer: a name out of `model.named_modules()`.
        hook: called with the module, its inputs and its output; what it gives takes the output's
            place, unless it is None.

    Raises:
        LayerError: where the model has no such layer.

    Examples:
        >>> model, seen = nn.Sequential(nn.ReLU()), []
        >>> with hooked(model, "0", lambda _module, _inputs, output: seen.append(output)):
        ...     _ = model(torch.tensor([-1.0]))
        >>> seen
        [tensor([0.])]
    """
    handle = find_layer(model, layer).register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


class _CutError(Exception):
    """Raised by a tap to leave a forward pass that has gone far enough."""


@torch.no_grad()
def maps_at(
    model: nn.Module, layer: str, images: Tensor, *, training: bool | None = False
) -> Tensor:
    """Read a layer's maps of a batch; nothing after the layer is computed.

    Args:
        model: any `nn.Module`; it runs without gradients and is left as it was.
        layer: a name out of `model.named_modules()`.
        images: `(N, C, H, W)`, as the model takes them.
        training: the mode that it runs in, as for `guest`.

    Returns:
        The layer's output, in the form that the layer gives.

    Raises:
        LayerError: where there is no such layer, or it does not run.

    Examples:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
        >>> maps_at(model, "0", torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 4, 6, 6])
    """

    def cut(_module: nn.Module, _inputs: Any, _output: Any) -> None:
        raise _CutError

    with guest(model, training=training), Tap(model, layer) as tap:
        with hooked(model, layer, cut), suppress(_CutError):
            model(images)
        return tap.maps
