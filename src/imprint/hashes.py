"""Hashes of tensors and of networks: what was made by one is not taken for another's."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["hash_network", "hash_tensors"]

HASHED_ROWS = 4096
"""Rows of a tensor that are hashed together, so that a mapped one is never all in memory."""


def hash_tensors(tensors: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]], *more: Any) -> str:
    """Hash tensors by name, type, shape and content.

    Args:
        tensors: of any kind, in a fixed order.
        more: what else counts, by its `repr`.

    Returns:
        32 hexadecimal digits of SHA-256.

    Examples:
        >>> hash_tensors({"x": torch.zeros(2)}) == hash_tensors({"x": torch.zeros(3)})
        False
    """
    digest = hashlib.sha256(repr(more).encode())
    for name, tensor in dict(tensors).items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        for chunk in torch.split(tensor, HASHED_ROWS) if tensor.ndim else (tensor[None],):
            whole = chunk.detach().cpu().reshape(-1)
            digest.update(whole.view(torch.uint8).numpy().data)
    return digest.hexdigest()[:32]


def hash_network(model: nn.Module) -> str:
    """Hash a network: parameters, buffers, and its modules as they print.

    Another activation has the same weights and other maps.

    Args:
        model: any `nn.Module`.

    Returns:
        32 hexadecimal digits of SHA-256.

    Examples:
        >>> hash_network(nn.ReLU()) == hash_network(nn.Tanh())
        False
    """
    state: dict[str, Any] = model.state_dict()
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    others = {name: value for name, value in state.items() if name not in tensors}  # extra state
    printed = re.sub(r" at 0x[0-9a-f]+", "", f"{model} {others}")  # where in memory a thing lies
    return hash_tensors(tensors, printed)
