"""What modules put out: a tensor, or tensors within tuples, lists and dicts."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from imprint.errors import LayerError

__all__ = ["first_tensor", "map_tensors", "select_rows", "take_rows"]


def first_tensor(output: Any, layer: str) -> Tensor:
    """Give the tensor that a module puts out, or the first one in its tuple, list or dict.

    Args:
        output: what the module returned.
        layer: the module's name, for the error.

    Returns:
        The tensor.

    Raises:
        LayerError: where there is none.

    Examples:
        >>> import torch
        >>> first_tensor((torch.ones(1), None), "layer1")
        tensor([1.])
    """
    if isinstance(output, Tensor):
        return output
    parts = output.values() if isinstance(output, Mapping) else output
    if isinstance(output, Mapping | tuple | list):
        for part in parts:
            if isinstance(part, Tensor):
                return part
    raise LayerError(f"layer {layer!r}: expected a tensor as output, got {type(output).__name__}")


def select_rows(output: Any, kept: Tensor, rows: int) -> Any:
    """Keep some rows of every tensor in a module's output that has one row a sample.

    Args:
        output: a tensor, or tuples, lists and dicts of them.
        kept: `(M,)`, int64, the rows to keep.
        rows: how many rows a tensor must have to be cut.

    Returns:
        The same structure, with M rows where there were `rows`.

    Examples:
        >>> import torch
        >>> select_rows((torch.arange(3), None), torch.tensor([2]), 3)
        (tensor([2]), None)
    """

    def cut(tensor: Tensor) -> Tensor:
        fits = tensor.ndim > 0 and len(tensor) == rows
        return take_rows(tensor, kept.to(tensor.device)) if fits else tensor

    return map_tensors(output, cut)


def take_rows(tensor: Tensor, rows: Tensor) -> Tensor:
    """Take rows, and leave maps in channels-last layout in it, which `index_select` would not.

    Args:
        tensor: `(N, …)`.
        rows: `(M,)`, int64, on its device.

    Returns:
        `(M, …)`, a copy.

    Examples:
        >>> import torch
        >>> take_rows(torch.arange(3), torch.tensor([2]))
        tensor([2])
    """
    if tensor.ndim != 4 or tensor.is_contiguous() or tensor.stride(1) != 1:
        return tensor.index_select(0, rows)
    return tensor.permute(0, 2, 3, 1).index_select(0, rows).permute(0, 3, 1, 2)


def map_tensors(structure: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """Apply a function to each tensor within tuples, lists and dicts, keeping their types.

    Args:
        structure: a tensor, or tuples, named tuples, lists and dicts of them; others pass as are.
        function: what each tensor is replaced by.

    Returns:
        The same structure.

    Examples:
        >>> import torch
        >>> map_tensors([torch.ones(1), "text"], torch.neg)
        [tensor([-1.]), 'text']
    """
    if isinstance(structure, Tensor):
        return function(structure)
    if isinstance(structure, Mapping):
        pairs = {key: map_tensors(value, function) for key, value in structure.items()}
        make: Any = type(structure)  # a dict, or a model output of transformers, made by keywords
        return make(pairs) if make is dict else make(**pairs)
    if isinstance(structure, tuple | list):
        values = [map_tensors(value, function) for value in structure]
        make = type(structure)
        return make(*values) if hasattr(structure, "_fields") else make(values)
    return structure
