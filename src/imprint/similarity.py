"""How close vectors are: cosine similarity, euclidean distance, nearest rows."""

import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.types import Nearest

__all__ = ["cosine_similarity", "euclidean_distance", "nearest", "paired_cosine_similarity"]


def cosine_similarity(queries: Tensor, gallery: Tensor) -> Tensor:
    """Compare each query with each gallery row by the cosine of their angle.

    Args:
        queries: `(N, D)`, floats.
        gallery: `(M, D)`, floats.

    Returns:
        `(N, M)` in [-1, 1]; higher is closer; 0 where either vector is all zeros.

    Raises:
        InvalidValueError: where the shapes do not fit each other.

    Source: the paper's section 5.2, θ.

    Examples:
        >>> cosine_similarity(torch.tensor([[3.0, 4.0]]), torch.tensor([[6.0, 8.0], [0.0, 0.0]]))
        tensor([[1., 0.]])
    """
    _check_pair(queries, gallery)
    return (_unit(queries) @ _unit(gallery).T).clamp(-1, 1)


def paired_cosine_similarity(left: Tensor, right: Tensor) -> Tensor:
    """Compare row i of one matrix with row i of the other by the cosine of their angle.

    Args:
        left: `(N, D)`, floats.
        right: `(N, D)`, floats.

    Returns:
        `(N,)` in [-1, 1]; higher is closer; 0 where either row is all zeros.

    Raises:
        InvalidValueError: where the shapes differ.

    Examples:
        >>> paired_cosine_similarity(torch.tensor([[1.0, 0.0]]), torch.tensor([[-2.0, 0.0]]))
        tensor([-1.])
    """
    _check_pair(left, right)
    if len(left) != len(right):
        raise InvalidValueError(f"right: expected {len(left)} rows as left has, got {len(right)}")
    return (_unit(left) * _unit(right)).sum(1).clamp(-1, 1)


def euclidean_distance(queries: Tensor, gallery: Tensor) -> Tensor:
    """Measure the euclidean distance between each query and each gallery row.

    Args:
        queries: `(N, D)`, floats.
        gallery: `(M, D)`, floats.

    Returns:
        `(N, M)`, at least 0; lower is closer.

    Raises:
        InvalidValueError: where the shapes do not fit each other.

    Examples:
        >>> euclidean_distance(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]]))
        tensor([[5.]])
    """
    _check_pair(queries, gallery)
    return torch.cdist(queries, gallery)


def nearest(queries: Tensor, gallery: Tensor, *, k: int) -> Nearest:
    """Find the k gallery rows most similar to each query by cosine.

    Args:
        queries: `(N, D)`, floats.
        gallery: `(M, D)`, floats.
        k: how many, in 1 … M.

    Returns:
        similarities and indices, each `(N, k)`, most similar first.

    Raises:
        InvalidValueError: where shapes do not fit or k is out of range.

    Examples:
        >>> nearest(torch.eye(2)[:1], torch.eye(2), k=1).indices
        tensor([[0]])
    """
    if not 1 <= k <= len(gallery):
        raise InvalidValueError(f"k: expected 1 … {len(gallery)} (the gallery's rows), got {k}")
    return Nearest(*cosine_similarity(queries, gallery).topk(k, dim=1))


def _unit(rows: Tensor) -> Tensor:
    """Rows of length one. A zero row stays zero; scaling by the largest entry avoids overflow."""
    largest = rows.abs().amax(1, keepdim=True)
    return F.normalize(rows / largest.where(largest > 0, 1), dim=1)


def _check_pair(left: Tensor, right: Tensor) -> None:
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[1] or not left.shape[1]:
        got = f"{tuple(left.shape)} and {tuple(right.shape)}"
        raise InvalidValueError(f"vectors: expected (N, D) and (M, D) of the same D > 0, got {got}")
