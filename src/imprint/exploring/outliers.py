"""How far each sample lies from its class's centroid, and how far is too far."""

from typing import NamedTuple

import torch
from torch import Tensor

from imprint.errors import InvalidValueError

__all__ = ["Fences", "fences_of", "outlier_scores", "own_distances"]

FENCE = 1.5
"""Of Tukey's box plot: an outlier lies more than so many quartile ranges above the third."""

LEAST = 5
"""Samples that a class needs for its quartiles to say something."""

ROUNDING = 1e-5
"""Share of the third quartile below which a quartile range is but rounding."""


class Fences(NamedTuple):
    """What is usual in each class.

    Attributes:
        third: `(K,)`, the third quartile of the distances; NaN for a class of fewer than 5 samples.
        spread: `(K,)`, the third less the first.
    """

    third: Tensor
    spread: Tensor


def own_distances(vectors: Tensor, labels: Tensor, centroids: Tensor) -> Tensor:
    """Measure how far each sample lies from the centroid of its own class.

    Args:
        vectors: `(N, D)`, floats: pixels or signatures.
        labels: `(N,)`, int64, in `0 … K-1`.
        centroids: `(K, D)`.

    Returns:
        `(N,)`, euclidean distances.

    Source: "Understanding and expediting learning…" (2022), the paragraph after its figure 1.

    Examples:
        >>> own_distances(torch.tensor([[3.0, 4.0]]), torch.tensor([1]), torch.zeros(2, 2))
        tensor([5.])
    """
    distances: Tensor = torch.linalg.vector_norm(vectors - centroids[labels], dim=1)
    return distances


def fences_of(distances: Tensor, labels: Tensor, num_classes: int) -> Fences:
    """Find the quartiles of each class's distances.

    Args:
        distances: `(N,)`, floats.
        labels: `(N,)`, int64, in `0 … K-1`.
        num_classes: K.

    Returns:
        third quartile and quartile range of each class.

    Raises:
        InvalidValueError: where the shapes differ.

    Examples:
        >>> fences_of(torch.arange(5.0), torch.tensor([0, 0, 0, 0, 0]), 1)
        Fences(third=tensor([3.]), spread=tensor([2.]))
    """
    if distances.shape != labels.shape or distances.ndim != 1:
        got = f"{tuple(distances.shape)} and {tuple(labels.shape)}"
        raise InvalidValueError(f"distances: expected (N,) and labels (N,), got {got}")
    third = torch.full((num_classes,), torch.nan)
    spread = torch.zeros(num_classes)
    order = labels.argsort(stable=True)
    counts = labels.bincount(minlength=num_classes).tolist()
    for k, own in enumerate(torch.split(distances[order], counts)):
        if len(own) >= LEAST:
            low, high = _quantile(own, 0.25), _quantile(own, 0.75)
            third[k], spread[k] = high, high - low
    return Fences(third, spread)


def outlier_scores(distances: Tensor, labels: Tensor, fences: Fences) -> Tensor:
    """Score how far out each sample lies, by Tukey's fences of its class.

    With z, how many quartile ranges a distance lies above the third quartile, the score is
    `z / (z + 1.5)`, or 0 below: above 0.5 a sample is an outlier.

    Args:
        distances: `(N,)`, to the own class's centroid.
        labels: `(N,)`, int64.
        fences: of the classes, from the samples that are to count as usual.

    Returns:
        `(N,)`, in [0, 1]; where a class has no range, as of equal images, 1 for whatever differs;
        NaN for a class without fences.

    Source: Tukey (1977), Exploratory data analysis: the box plot.

    Examples:
        >>> fences = Fences(torch.tensor([2.0]), torch.tensor([1.0]))
        >>> outlier_scores(torch.tensor([1.0, 3.5, 8.0]), torch.zeros(3, dtype=torch.int64), fences)
        tensor([0.0000, 0.5000, 0.8000])
    """
    above = (distances - fences.third[labels]).clamp_min(0)
    rounding = ROUNDING * fences.third[labels].nan_to_num(0, 0) + 1e-6
    spread = fences.spread[labels]
    known = torch.where(spread > rounding, above / (above + FENCE * spread.clamp_min(1e-12)), 0.0)
    scores = torch.where(spread > rounding, known, (above > rounding).float())
    return scores.masked_fill(fences.third[labels].isnan(), torch.nan)


def _quantile(values: Tensor, share: float) -> Tensor:
    """A quantile with linear interpolation; `torch.quantile` takes 16 million values at most."""
    place = share * (len(values) - 1)
    low = int(place)
    ordered = values.sort().values
    high = min(low + 1, len(values) - 1)
    return ordered[low].lerp(ordered[high], place - low)
