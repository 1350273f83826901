"""How fast a layer settles: how similar its signatures are from epoch to epoch."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.similarity import paired_cosine_similarity

__all__ = ["Settling", "settled_from", "settling"]


class Settling(NamedTuple):
    """How similar a layer's signatures of E epochs are.

    Attributes:
        to_next: `(E-1,)`, float32, of epochs 0 … E-2 to the epoch after each.
        to_last: `(E-1,)`, float32, of the same epochs to the last one.
    """

    to_next: Tensor
    to_last: Tensor


def settling(signatures: Sequence[Tensor] | Tensor) -> Settling:
    """Compare the signatures of the same images at a layer, epoch by epoch.

    Args:
        signatures: E tensors `(N, D)`, or one `(E, N, D)`, floats, finite, E at least 2: a row an
            image, the same image in each epoch.

    Returns:
        mean cosine similarities over the images, in [-1, 1].

    Raises:
        InvalidValueError: for fewer than two epochs, other shapes, or values that are no numbers.

    Examples:
        >>> epochs = [torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 0.0]]), torch.ones(1, 2)]
        >>> settling(epochs).to_next
        tensor([0.0000, 0.7071])
    """
    epochs = [_check(rows, signatures[0]) for rows in signatures]
    if len(epochs) < 2:
        raise InvalidValueError(f"signatures: expected two epochs or more, got {len(epochs)}")
    to_next = [paired_cosine_similarity(now, after).mean() for now, after in pairwise(epochs)]
    to_last = [paired_cosine_similarity(now, epochs[-1]).mean() for now in epochs[:-1]]
    return Settling(torch.stack(to_next).float(), torch.stack(to_last).float())


def settled_from(similarities: Tensor, *, limit: float = 0.99) -> int | None:
    """Tell from which epoch on a layer stays settled.

    Args:
        similarities: `(E-1,)`, one of the two that `settling` gives.
        limit: the least similarity that counts as settled, in [-1, 1].

    Returns:
        the first epoch of which it holds that it and all later ones are at least that similar;
        None, where the last one is not.

    Raises:
        InvalidValueError: for another shape or limit.

    Examples:
        >>> settled_from(torch.tensor([0.2, 0.995, 0.9, 0.99, 1.0]))
        3
    """
    if similarities.ndim != 1 or not len(similarities):
        got = tuple(similarities.shape)
        raise InvalidValueError(f"similarities: expected (E-1,), one at least, got {got}")
    if not -1 <= limit <= 1:
        raise InvalidValueError(f"limit: expected a similarity in [-1, 1], got {limit}")
    below = (~(similarities >= limit)).nonzero()[:, 0]
    first = int(below[-1]) + 1 if len(below) else 0
    return first if first < len(similarities) else None


def _check(rows: Tensor, first: Tensor) -> Tensor:
    if rows.ndim != 2 or 0 in rows.shape or rows.shape != first.shape:
        got = f"{tuple(first.shape)} and {tuple(rows.shape)}"
        raise InvalidValueError(f"signatures: expected (N, D) of one shape each epoch, got {got}")
    if not bool(rows.isfinite().all()):
        raise InvalidValueError("signatures: expected finite values, got NaN or infinity")
    return rows
