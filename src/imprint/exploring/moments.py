"""Counts, sums and sums of squares of each class: centroids that merge by addition."""

from typing import Self

import torch
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.memory import class_sums

__all__ = ["ClassMoments"]


class ClassMoments:
    """What a stream of vectors leaves of each class: its count, mean and standard deviation.

    Two streams seen apart, by shards or processes, merge into what one would have seen.

    Args:
        num_classes: K, at least 1.
        width: D, entries of a vector.

    Raises:
        InvalidValueError: for a number below 1.

    Source: the centroid images of "Understanding and expediting learning…" (2022), figure 1.

    Examples:
        >>> moments = ClassMoments(2, 1)
        >>> moments.update(torch.tensor([[1.0], [3.0], [7.0]]), torch.tensor([0, 0, 1]))
        >>> moments.means.flatten(), moments.stds.flatten()
        (tensor([2., 7.]), tensor([1., 0.]))
    """

    def __init__(self, num_classes: int, width: int) -> None:
        if num_classes < 1 or width < 1:
            got = f"{num_classes} and {width}"
            raise InvalidValueError(f"num_classes, width: expected at least 1 each, got {got}")
        self.num_classes, self.width = num_classes, width
        self.counts = torch.zeros(num_classes, dtype=torch.int64)
        self._sums = torch.zeros(num_classes, width, dtype=torch.float64)
        self._squares = torch.zeros(num_classes, width, dtype=torch.float64)

    @property
    def means(self) -> Tensor:
        """`(K, D)`, float32: the centroids; zeros for a class without a sample."""
        return (self._sums / self._divisor()).float()

    @property
    def stds(self) -> Tensor:
        """`(K, D)`, float32: the population's standard deviations; zeros likewise."""
        divisor = self._divisor()
        variance = self._squares / divisor - (self._sums / divisor).square()
        return variance.clamp_min(0).sqrt().float()

    def update(self, vectors: Tensor, labels: Tensor) -> None:
        """Take in a batch.

        Args:
            vectors: `(N, D)`, finite numbers of any type.
            labels: `(N,)`, int64, in `0 … K-1`.

        Raises:
            InvalidValueError: for shapes or labels that do not fit; nothing is taken in then.
        """
        if vectors.shape != (len(labels), self.width) or labels.ndim != 1:
            got = f"{tuple(vectors.shape)} and labels {tuple(labels.shape)}"
            raise InvalidValueError(f"vectors: expected (N, {self.width}) and (N,), got {got}")
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < self.num_classes:
            got = f"{int(labels.min())} … {int(labels.max())}"
            expected = f"0 … {self.num_classes - 1}"
            raise InvalidValueError(f"labels: expected values in {expected}, got {got}")
        wide = vectors.double()
        self._sums += class_sums(wide, labels, self.num_classes)
        self._squares += class_sums(wide.square(), labels, self.num_classes)
        self.counts += labels.bincount(minlength=self.num_classes)

    def merge(self, other: Self) -> None:
        """Add what another stream left.

        Args:
            other: of the same classes and width.

        Raises:
            InvalidValueError: where these differ.
        """
        if (other.num_classes, other.width) != (self.num_classes, self.width):
            expected, got = (self.num_classes, self.width), (other.num_classes, other.width)
            raise InvalidValueError(f"other: expected classes and width {expected}, got {got}")
        self._sums += other._sums
        self._squares += other._squares
        self.counts += other.counts

    def _divisor(self) -> Tensor:
        return self.counts.clamp_min(1)[:, None]
