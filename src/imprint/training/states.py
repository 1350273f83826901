"""States as flat tensors and JSON, for checkpoints without pickle."""

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

__all__ = ["flatten_optimizer", "join_parts", "restore_optimizer", "split_parts"]


def join_parts(parts: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    """Put several states into one, each name behind its part's name and a slash.

    Args:
        parts: a state a part.

    Returns:
        One flat state.

    Examples:
        >>> list(join_parts({"model": {"weight": torch.ones(1)}}))
        ['model/weight']
    """
    return {f"{part}/{name}": parts[part][name] for part in parts for name in parts[part]}


def split_parts(tensors: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Undo `join_parts`.

    Args:
        tensors: one flat state.

    Returns:
        A state a part.

    Examples:
        >>> split_parts({"model/weight": torch.ones(1)})
        {'model': {'weight': tensor([1.])}}
    """
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        part, _, rest = name.partition("/")
        parts.setdefault(part, {})[rest] = tensor
    return parts


def flatten_optimizer(optimizer: Optimizer) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """Part an optimizer's state into tensors and what JSON can hold.

    Args:
        optimizer: any of PyTorch's whose state is tensors and numbers.

    Returns:
        tensors named `<parameter>.<key>`, and the parameter groups.

    Examples:
        >>> flatten_optimizer(torch.optim.SGD([torch.zeros(1)], lr=0.5))[1][0]["lr"]
        0.5
    """
    state = optimizer.state_dict()
    tensors = {
        f"{number}.{key}": torch.as_tensor(value)
        for number, entry in state["state"].items()
        for key, value in entry.items()
        if value is not None
    }
    return tensors, state["param_groups"]


def restore_optimizer(
    optimizer: Optimizer, tensors: dict[str, Tensor], groups: list[dict[str, Any]]
) -> None:
    """Undo `flatten_optimizer`.

    Args:
        optimizer: of the same kind, over the same parameters.
        tensors: named `<parameter>.<key>`.
        groups: the parameter groups.

    Examples:
        >>> one, other = (torch.optim.SGD([torch.zeros(1)], lr=lr) for lr in (0.5, 9))
        >>> restore_optimizer(other, *flatten_optimizer(one))
        >>> other.param_groups[0]["lr"]
        0.5
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = _laid_out_as(parameters[int(number)], tensor)
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _laid_out_as(parameter: Tensor, tensor: Tensor) -> Tensor:
    """Give a tensor the memory layout of its parameter: another one rounds sums differently."""
    if tensor.shape != parameter.shape:
        return tensor
    return torch.empty_like(parameter, dtype=tensor.dtype, device=tensor.device).copy_(tensor)
