"""Heads as tensors of a file."""

from collections.abc import Mapping

from torch import Tensor

from imprint.early_exit.heads import Head, HeadKind, Hidden

__all__ = ["head_from", "head_tensors"]


def head_tensors(head: Head) -> dict[str, Tensor]:
    """Give what a file keeps of a head.

    Args:
        head: any.

    Returns:
        Its tensors by name.

    Examples:
        >>> import torch
        >>> list(head_tensors(Head(torch.eye(2), torch.zeros(2))))
        ['weight', 'bias']
    """
    hidden = head.hidden._asdict() if head.hidden else {}
    return {
        "weight": head.weight,
        "bias": head.bias,
        **{f"hidden_{name}": part for name, part in hidden.items()},
    }


def head_from(tensors: Mapping[str, Tensor], prefix: str, kind: HeadKind) -> Head:
    """Make a head of a file's tensors.

    Args:
        tensors: by name, those of the head with a prefix.
        prefix: of their names.
        kind: of the head.

    Returns:
        The head.

    Raises:
        KeyError: where one is missing.
        ValueError: where shapes do not fit each other.

    Examples:
        >>> import torch
        >>> head_from({"0.weight": torch.eye(2), "0.bias": torch.zeros(2)}, "0.", "probe").kind
        'probe'
    """
    weight, bias = _linear(tensors, prefix)
    if kind != "mlp":
        return Head(weight, bias, kind)
    return Head(weight, bias, kind, Hidden(*_linear(tensors, f"{prefix}hidden_")))


def _linear(tensors: Mapping[str, Tensor], prefix: str) -> tuple[Tensor, Tensor]:
    weight, bias = tensors[f"{prefix}weight"], tensors[f"{prefix}bias"]
    if weight.ndim != 2 or bias.shape != weight.shape[:1]:
        got = f"{tuple(weight.shape)} and {tuple(bias.shape)}"
        raise ValueError(f"heads of (K, D) and (K,), got {got}")
    return weight, bias
