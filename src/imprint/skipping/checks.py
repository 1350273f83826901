"""What a plan is told, checked before it is believed."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.skipping.shares import PLANS

__all__ = [
    "check_places",
    "check_plan",
    "check_readmission",
    "check_record",
    "is_count",
    "kinds_of",
]


def is_count(value: Any) -> bool:
    """Whether a value is an integer of at least 1.

    Examples:
        >>> is_count(3), is_count(0), is_count(2.0)
        (True, False, False)
    """
    return isinstance(value, int | np.integer) and bool(value >= 1)


def check_plan(
    count: int,
    epochs: int,
    *,
    rule: str = "imprint",
    labels: Tensor | None = None,
    class_floor: float = 0.0,
    cover: float | None = None,
) -> None:
    """Check what a plan is told, before any work.

    Args:
        count: N.
        epochs: of the whole training.
        rule: a key of `PLANS`.
        labels: `(N,)`, integers, or None.
        class_floor: in [0, 1].
        cover: in (0, 1], or None.

    Raises:
        InvalidValueError: for a value out of range.

    Examples:
        >>> check_plan(10, 3, class_floor=0.5)
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: labels: expected (10,), as class_floor asks for; got None
    """
    if not (is_count(count) and is_count(epochs)):
        got = f"{count!r}, {epochs!r}"
        raise InvalidValueError(f"count, epochs: expected integers of at least 1, got {got}")
    if rule not in PLANS:
        raise InvalidValueError(f"rule: expected one of {', '.join(PLANS)}, got {rule!r}")
    if not 0 <= class_floor <= 1:
        raise InvalidValueError(f"class_floor: expected a share in [0, 1], got {class_floor}")
    if cover is not None and not 0 < cover <= 1:
        raise InvalidValueError(f"cover: expected a share in (0, 1], got {cover}")
    if labels is not None and not isinstance(labels, Tensor):
        raise InvalidValueError(f"labels: expected a tensor, got {type(labels).__name__}")
    shape = None if labels is None else tuple(labels.shape)
    if class_floor and shape != (count,):
        raise InvalidValueError(
            f"labels: expected ({count},), as class_floor asks for; got {shape}"
        )
    if class_floor and labels is not None and (labels.is_floating_point() or labels.min() < 0):
        got = f"{labels.min().item()} of {labels.dtype}"
        raise InvalidValueError(f"labels: expected integers from 0, got {got}")


def check_readmission(count: int, keep: float, batch_size: int, readmit: int | None) -> int:
    """Settle within how many epochs each sample is loaded again.

    Args:
        count: N.
        keep: the keep ratio.
        batch_size: of which an epoch loads a multiple.
        readmit: what the user asks for, or None.

    Returns:
        The epochs; in each, the turns of two in so many samples come, and there is room for them.

    Raises:
        InvalidValueError: where an epoch keeps less than a batch, or turns come too often.

    Examples:
        >>> check_readmission(100, 0.01, 1, None)
        200
    """
    kept = max(1, round(keep * count))
    if not is_count(batch_size) or batch_size > kept:
        expected = f"1 … {kept}, the samples that an epoch keeps"
        raise InvalidValueError(f"batch_size: expected {expected}; got {batch_size!r}")
    fewest = 2 * math.ceil(count / (kept // batch_size * batch_size))
    if readmit is not None and readmit < fewest:
        raise InvalidValueError(
            f"readmit: expected at least {fewest} epochs at keep {keep}, got {readmit}"
        )
    return max(64, fewest) if readmit is None else readmit


def check_record(index: Tensor, losses: Tensor, total: int) -> None:
    """Check what a plan is told of a batch.

    Args:
        index: `(B,)`, int64, in `0 … total-1`, each once.
        losses: `(B,)`, floats.
        total: N, the samples of the data set.

    Raises:
        InvalidValueError: where they do not fit.

    Examples:
        >>> check_record(torch.tensor([3, 3]), torch.ones(2), 10)
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: index: expected each place once in a batch, got 3 again
    """
    if not isinstance(losses, Tensor) or losses.ndim == 0:
        got = "one number" if isinstance(losses, Tensor | float) else type(losses).__name__
        expected = "each sample's own in a tensor, as reduction='none' gives"
        raise InvalidValueError(f"losses: expected {expected}; got {got}")
    check_places(index, total)
    if losses.shape != index.shape:
        wanted, shape = tuple(index.shape), tuple(losses.shape)
        raise InvalidValueError(f"losses: expected {wanted}, one for each of index; got {shape}")


def check_places(index: Tensor, total: int) -> None:
    """Check that a batch names samples of a data set, each once.

    Args:
        index: `(B,)`, int64, in `0 … total-1`.
        total: N, the samples of the data set.

    Raises:
        InvalidValueError: where they do not fit.

    Examples:
        >>> check_places(torch.tensor([3, 10]), 10)
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: index: expected places in 0 … 9, got 3 … 10
    """
    if not isinstance(index, Tensor):
        expected = "(B,) of torch.int64, the batch's places as imprint.indexed gives them"
        raise InvalidValueError(f"index: expected {expected}; got {type(index).__name__}")
    if index.ndim != 1 or index.dtype != torch.int64:
        got = f"{tuple(index.shape)} of {index.dtype}"
        raise InvalidValueError(f"index: expected (B,) of torch.int64, got {got}")
    if len(index) and not 0 <= index.min() <= index.max() < total:
        got = f"{int(index.min())} … {int(index.max())}"
        raise InvalidValueError(f"index: expected places in 0 … {total - 1}, got {got}")
    ordered = index.sort().values
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(repeated):
        got = f"{int(repeated[0])} again"
        raise InvalidValueError(f"index: expected each place once in a batch, got {got}")


def kinds_of(state: dict[str, Tensor]) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    """Say of what shape and dtype the tensors of a state are, to hold it against another.

    Args:
        state: tensors by name.

    Returns:
        Shape and dtype by name.

    Examples:
        >>> kinds_of({"left": torch.zeros(2)})
        {'left': ((2,), torch.float32)}
    """
    return {name: (tuple(value.shape), value.dtype) for name, value in state.items()}
