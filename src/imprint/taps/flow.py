"""Let rows leave a model at a layer, and prove that all of its data flow through it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from imprint.errors import InvalidValueError, LayerError
from imprint.outputs import first_tensor, map_tensors, select_rows
from imprint.taps.guests import guest
from imprint.taps.tap import find_layer, hooked

__all__ = ["carries_all_data", "check_carries_all_data", "check_rows", "row_filter", "untraced"]

T = TypeVar("T")


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
    fitting = [name for name in names if _would_do(model, name, args, kwargs)]
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
        True where the rows that leave at the layer are missing at the end, and nothing else is; and
        where all that the layer gives has a row a sample, or one for all: another tensor could by
        chance be as long as a batch.

    Raises:
        LayerError: where the model has no such layer, or it gives no tensor.

    Examples:
        >>> carries_all_data(nn.Sequential(nn.Linear(3, 3), nn.ReLU()), "0", torch.zeros(2, 3))
        True
    """
    shapes: list[torch.Size] = []
    lengths: set[int] = set()
    second = torch.tensor([1])

    def look(_module: nn.Module, _inputs: Any, output: Any) -> None:
        shapes.append(first_tensor(output, layer).shape)
        map_tensors(output, note)

    def note(tensor: Tensor) -> Tensor:
        lengths.update(tensor.shape[:1])
        return tensor

    with guest(model), hooked(model, layer, untraced(look)):
        whole = first_tensor(model(*args, **kwargs), "the model")
    if len(shapes) != 1 or len(shapes[0]) not in (2, 3, 4) or shapes[0][0] != 2:
        return False
    if not lengths <= {1, 2}:
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

    Examples:
        >>> model = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
        >>> with row_filter(model, "0", lambda maps: torch.tensor([0, 2])):
        ...     model(torch.zeros(4, 3)).shape
        torch.Size([2, 3])
    """

    def shrink(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        maps = first_tensor(output, layer)
        kept = choose(maps)
        return output if kept is None else select_rows(output, kept.to(maps.device), len(maps))

    with hooked(model, layer, untraced(shrink)):
        yield


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


def _would_do(model: nn.Module, layer: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    try:
        return carries_all_data(model, layer, *args, **kwargs)
    except LayerError:  # it gives no tensor
        return False


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


def check_rows(maps: Tensor, labels: Tensor, layer: str) -> None:
    """Check that a layer's output has one row for each label.

    Args:
        maps: the layer's output.
        labels: `(N,)`.
        layer: the layer's name, for the error.

    Raises:
        InvalidValueError: where it has not.

    Examples:
        >>> check_rows(torch.zeros(2, 4), torch.tensor([0, 1]), "layer1")
    """
    if len(maps) != len(labels):
        got = f"{len(labels)} for maps {tuple(maps.shape)} at {layer!r}"
        raise InvalidValueError(f"labels: expected one a row of the layer's output, got {got}")
