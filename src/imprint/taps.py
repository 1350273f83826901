"""Taps: read a model's feature maps at a named layer, or cut its batch there.

A user's model is a guest. All that is done to it here is a context manager that puts back hooks,
modes and random state on exit, also after an error.
"""

import difflib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self, TypeVar, cast

import torch
from torch import Tensor, nn

from imprint.errors import InvalidValueError, LayerError
from imprint.outputs import first_tensor, select_rows

__all__ = [
    "Tap",
    "carries_all_data",
    "check_carries_all_data",
    "find_layer",
    "guest",
    "maps_at",
    "untraced",
]

T = TypeVar("T")


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

    Examples:
        >>> find_layer(nn.Sequential(nn.ReLU()), "0")
        ReLU()
    """
    layers: dict[str, nn.Module] = dict(model.named_modules())
    if layer in layers and layer:
        return layers[layer]
    names = [name for name in layers if name]
    close = difflib.get_close_matches(layer, names, n=5, cutoff=0.5) or names[:12]
    raise LayerError(
        f"layer: expected one of the model's, such as {', '.join(close)}; got {layer!r}"
    )


@contextmanager
def guest(model: nn.Module, *, training: bool | None = False) -> Iterator[nn.Module]:
    """Hold a model in train or eval mode, and put back modes, buffers and random state afterwards.

    Args:
        model: any `nn.Module`; each submodule's own mode is put back.
        training: the mode inside the block, or None for the modes as they are.

    Yields:
        The same model.

    Examples:
        >>> model = nn.Dropout()
        >>> with guest(model):
        ...     model.training
        False
        >>> model.training
        True
    """
    modes = [(module, module.training) for module in model.modules()]
    buffers = [
        (module, name, buffer, buffer.clone())
        for module in model.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    with torch.random.fork_rng(_cuda_devices(model)):
        try:
            yield model if training is None else model.train(training)
        finally:
            for module, mode in modes:
                module.training = mode
            with torch.no_grad():
                for module, name, buffer, before in buffers:
                    buffer.copy_(before)
                    setattr(module, name, buffer)  # a forward may have put another in its place


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
        handle = find_layer(model, layer).register_forward_hook(cut)
        try:
            model(images)
        except _CutError:
            pass
        finally:
            handle.remove()
        return tap.maps


def check_carries_all_data(model: nn.Module, layer: str, *args: Any, **kwargs: Any) -> None:
    """Prove that all data of a model flows through a layer, so that rows may leave there.

    Two samples run in eval mode; then the layer passes on the second one only, and the model must
    answer for exactly that one.

    Args:
        model: any `nn.Module`.
        layer: a name out of `model.named_modules()`.
        args: what the model is called with, two samples in each tensor.
        kwargs: likewise, by name.

    Raises:
        LayerError: where data pass around the layer, it runs not exactly once, or its output has
            no batch dimension; it lists layers that would do.

    Examples:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 2))
        >>> check_carries_all_data(model, "0", torch.zeros(2, 1, 8, 8))
    """
    find_layer(model, layer)
    if carries_all_data(model, layer, *args, **kwargs):
        return
    names = (name for name, module in model.named_modules() if name and _is_tensor_layer(module))
    fitting = [name for name in names if carries_all_data(model, name, *args, **kwargs)]
    would_do = ", ".join(fitting[:12]) or "none was found"
    problem = "expected one that all data flow through exactly once, a sample a row"
    raise LayerError(f"layer {layer!r}: {problem}; layers that would do: {would_do}")


@torch.no_grad()
def carries_all_data(model: nn.Module, layer: str, *args: Any, **kwargs: Any) -> bool:
    """Tell whether a model answers for the second of two samples alone when a layer drops one.

    Args:
        model: any `nn.Module`.
        layer: a name out of `model.named_modules()`.
        args: what the model is called with, two samples in each tensor.
        kwargs: likewise, by name.

    Returns:
        True where the rows that leave at the layer are missing at the end, and nothing else is.

    Raises:
        LayerError: where the model has no such layer.

    Examples:
        >>> carries_all_data(nn.Sequential(nn.Linear(3, 3), nn.ReLU()), "0", torch.zeros(2, 3))
        True
    """
    shapes: list[torch.Size] = []
    second = torch.tensor([1])

    def look(maps: Tensor) -> None:
        shapes.append(maps.shape)

    with guest(model), row_filter(model, layer, look):
        whole = first_tensor(model(*args, **kwargs), "the model")
    if len(shapes) != 1 or len(shapes[0]) not in (2, 3, 4) or shapes[0][0] != 2:
        return False
    with guest(model), row_filter(model, layer, lambda _maps: second):
        try:
            part = first_tensor(model(*args, **kwargs), "the model")
        except Exception:  # noqa: BLE001 - rows of two sizes met further on, in a user's code
            return False
    if not whole.ndim:  # a loss, of which no row can be told
        return False
    return part.shape == whole[1:].shape and _close(part, whole[1:])


@contextmanager
def row_filter(
    model: nn.Module, layer: str, choose: Callable[[Tensor], Tensor | None]
) -> Iterator[None]:
    """Let only some rows of a layer's output through while the block runs.

    Args:
        model: any `nn.Module`.
        layer: a name out of `model.named_modules()`.
        choose: gets the maps, gives the kept rows' index `(M,)`, int64, or None for all of them.

    Raises:
        LayerError: where the model has no such layer.
    """

    def shrink(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        maps = first_tensor(output, layer)
        kept = choose(maps)
        return output if kept is None else select_rows(output, kept.to(maps.device), len(maps))

    handle = find_layer(model, layer).register_forward_hook(untraced(shrink))
    try:
        yield
    finally:
        handle.remove()


def untraced(hook: Callable[..., T]) -> Callable[..., T]:
    """Keep `torch.compile` from tracing a hook: its compiled code breaks there, and goes on after.

    Args:
        hook: any function.

    Returns:
        a function that does the same.

    Examples:
        >>> untraced(len)([1, 2])
        2
    """
    if "torch._dynamo" not in sys.modules:  # no model can have been compiled, and it loads slowly
        return hook
    disable: Any = torch.compiler.disable
    return cast("Callable[..., T]", disable(hook))


def _is_tensor_layer(module: nn.Module) -> bool:
    return not isinstance(module, nn.ModuleList | nn.ModuleDict)


def _close(part: Tensor, whole: Tensor) -> bool:
    """Whether two outputs agree up to the rounding that another batch size brings."""
    if not part.is_floating_point():
        return torch.equal(part, whole)
    scale = whole.float().abs().nan_to_num().max() if whole.numel() else torch.tensor(0.0)
    return torch.allclose(
        part.float(), whole.float(), rtol=0.02, atol=float(scale) * 0.02 + 1e-6, equal_nan=True
    )


def _cuda_devices(model: nn.Module) -> list[torch.device]:
    return list({parameter.device for parameter in model.parameters() if parameter.is_cuda})


def check_rows(maps: Tensor, labels: Tensor, layer: str) -> None:
    """Check that a layer's output has one row for each label.

    Args:
        maps: the layer's output.
        labels: `(N,)`.
        layer: the layer's name, for the error.

    Raises:
        InvalidValueError: where it has not.
    """
    if len(maps) != len(labels):
        got = f"{len(labels)} for maps {tuple(maps.shape)} at {layer!r}"
        raise InvalidValueError(f"labels: expected one a row of the layer's output, got {got}")
