"""Exits as a file keeps them: tensors by name, and a note of each."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from imprint.early_exit.answerers import Exit
from imprint.early_exit.first_network import FIRST, FirstNetwork
from imprint.early_exit.heads import Head, HeadKind, Hidden
from imprint.errors import InvalidValueError

__all__ = ["check_first_given", "exit_notes", "exit_tensors", "exits_from"]


def exit_tensors(exits: Sequence[Exit | FirstNetwork]) -> dict[str, Tensor]:
    """Give the tensors that a file keeps of exits; a first network has a file of its own.

    Args:
        exits: any.

    Returns:
        The tensors by name, each with its exit's number before it.

    Examples:
        >>> import torch
        >>> list(exit_tensors([Exit("0", (2,), Head(torch.eye(2), torch.zeros(2)), 3.0)]))
        ['0.weight', '0.bias']
    """
    return {
        f"{number}.{name}": part
        for number, own in enumerate(exits)
        if isinstance(own, Exit)
        for name, part in _head_tensors(own.head).items()
    }


def exit_notes(exits: Sequence[Exit | FirstNetwork]) -> list[dict[str, Any]]:
    """Give what a file says of exits beside their tensors.

    Args:
        exits: any.

    Returns:
        For each its layer, the shape of its maps, and its threshold.

    Examples:
        >>> exit_notes([FirstNetwork(nn.Flatten(), (1, 2, 2), 3.0)])
        [{'layer': 'first network', 'shape': [1, 2, 2], 'threshold': 3.0}]
    """
    return [
        {"layer": own.layer, "shape": list(own.shape), "threshold": own.threshold} for own in exits
    ]


def exits_from(
    tensors: Mapping[str, Tensor],
    notes: Sequence[Mapping[str, Any]],
    kind: HeadKind,
    first: nn.Module | None,
) -> tuple[Exit | FirstNetwork, ...]:
    """Make exits of a file's tensors and notes.

    Args:
        tensors: by name.
        notes: one an exit.
        kind: of all heads.
        first: the network that is asked first, where a note is of one.

    Returns:
        The exits.

    Raises:
        KeyError: where a tensor is missing.
        ValueError: where shapes do not fit each other.

    Examples:
        >>> import torch
        >>> tensors = {"0.weight": torch.eye(2), "0.bias": torch.zeros(2)}
        >>> notes = [{"layer": "conv", "shape": [2], "threshold": 3.0}]
        >>> exits_from(tensors, notes, "probe", None)[0].layer
        'conv'
    """
    return tuple(
        _exit_from(tensors, number, note, kind, first) for number, note in enumerate(notes)
    )


def check_first_given(notes: Any, first: nn.Module | None) -> None:
    """Check that the network is given that a file's exits ask first, where they do.

    Args:
        notes: what the file says of its exits.
        first: the network, or None.

    Raises:
        InvalidValueError: where it is not given.

    Examples:
        >>> check_first_given([{"layer": "first network"}], None)
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: first: expected the network that is asked first, got none
    """
    asked = isinstance(notes, list) and any(
        isinstance(note, dict) and note.get("layer") == FIRST for note in notes
    )
    if asked and first is None:
        raise InvalidValueError("first: expected the network that is asked first, got none")


def _exit_from(
    tensors: Mapping[str, Tensor],
    number: int,
    note: Mapping[str, Any],
    kind: HeadKind,
    first: nn.Module | None,
) -> Exit | FirstNetwork:
    layer, shape, threshold = str(note["layer"]), tuple(note["shape"]), float(note["threshold"])
    if layer == FIRST and first is not None:
        return FirstNetwork(first, shape, threshold)
    return Exit(layer, shape, _head_from(tensors, f"{number}.", kind), threshold)


def _head_tensors(head: Head) -> dict[str, Tensor]:
    hidden = head.hidden._asdict() if head.hidden else {}
    return {
        "weight": head.weight,
        "bias": head.bias,
        **{f"hidden_{name}": part for name, part in hidden.items()},
    }


def _head_from(tensors: Mapping[str, Tensor], prefix: str, kind: HeadKind) -> Head:
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
