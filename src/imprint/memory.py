"""The class memory: one running mean signature per class, and how similar is similar enough."""

from typing import Literal, Self, get_args

import torch
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.ranks import ALONE, Ranks
from imprint.similarity import cosine_similarity, paired_cosine_similarity
from imprint.types import Match

__all__ = ["ClassMemory", "ThresholdReading", "class_sums"]

ThresholdReading = Literal["text", "formula"]
"""The paper's text puts a hit at or above the threshold, its formula at or below."""


def class_sums(values: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Sum the rows of each class.

    Args:
        values: `(N, …)`, floats.
        labels: `(N,)`, int64, in `0 … num_classes - 1`.
        num_classes: K.

    Returns:
        `(K, …)`, float64; zeros for a class without a row.

    Examples:
        >>> class_sums(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0, 2, 2]), 3)
        tensor([1., 0., 6.], dtype=torch.float64)
    """
    wide = _accumulator(values.device)
    sums = torch.zeros(num_classes, *values.shape[1:], dtype=wide, device=values.device)
    return sums.index_add_(0, labels, values.to(wide))


def _accumulator(device: torch.device) -> torch.dtype:
    """The widest float of a device: Apple's GPUs have no float64."""
    return torch.float32 if device.type == "mps" else torch.float64


class ClassMemory:
    """Prototypes, thresholds and counts of K classes.

    The state is sums and counts, so that memories of several workers merge by addition, in any
    order. With a batch's b samples of a class, all in float64,

        prototype ← (prototype·n + Σ signatures) / (n + b)
        threshold ← (threshold·n + Σ cosine(signature, new prototype)) / (n + b)
        n         ← n + b

    Args:
        num_classes: K, at least 2.
        reading: `text`, a hit is at or above its class's threshold; `formula`, at or below. Either
            way a hit also needs the nearest prototype to be the one of the true class.
        decay: what all sums and counts are multiplied by before each update, in (0, 1]; below 1
            the memory follows a network that moves.
        ranks: whose batches each update takes in, as one joint batch; by default this process's
            own. All then hold the same memory, and must update it equally often.

    Raises:
        InvalidValueError: for values out of range.

    Source: the paper's sections 5.1 (V_cached) and 5.2 (ε_cached and the hit).

    Examples:
        >>> memory = ClassMemory(2)
        >>> memory.update(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 1]))
        >>> memory.match(torch.tensor([[5.0, 0.0]]), torch.tensor([0])).hit
        tensor([True])
    """

    def __init__(
        self,
        num_classes: int,
        *,
        reading: ThresholdReading = "text",
        decay: float = 1.0,
        ranks: Ranks = ALONE,
    ) -> None:
        if num_classes < 2:
            raise InvalidValueError(f"num_classes: expected at least 2, got {num_classes}")
        if reading not in get_args(ThresholdReading):
            raise InvalidValueError(f"reading: expected text or formula, got {reading!r}")
        if not 0 < decay <= 1:
            raise InvalidValueError(f"decay: expected a value in (0, 1], got {decay}")
        self.num_classes = num_classes
        self.reading = reading
        self.decay = decay
        self._ranks = ranks
        self._sums = torch.zeros(num_classes, 0, dtype=torch.float64)
        self._threshold_sums = torch.zeros(num_classes, dtype=torch.float64)
        self._counts = torch.zeros(num_classes, dtype=torch.float64)

    @property
    def counts(self) -> Tensor:
        """`(K,)`, float64: the samples behind each prototype, faded by `decay`."""
        return self._counts

    @property
    def prototypes(self) -> Tensor:
        """`(K, D)`, float32: the mean signatures; zeros for a class not yet seen."""
        return (self._sums / self._seen_counts()[:, None]).float()

    @property
    def thresholds(self) -> Tensor:
        """`(K,)`, float32, in [-1, 1]: the mean similarities; zeros for a class not yet seen."""
        return (self._threshold_sums / self._seen_counts()).float()

    def update(self, signatures: Tensor, labels: Tensor) -> None:
        """Take a batch's signatures into the prototypes, thresholds and counts of their classes.

        Args:
            signatures: `(N, D)`, finite floats.
            labels: `(N,)`, int64, in `0 … K-1`.

        Raises:
            InvalidValueError: for shapes or labels that do not fit; the memory is unchanged then.
        """
        self._check(signatures, labels)
        if not self._sums.shape[1]:
            self._allocate(signatures)
        for total in (self._sums, self._threshold_sums, self._counts):
            total.mul_(self.decay)
        sums = class_sums(signatures, labels, self.num_classes)
        counts = class_sums(torch.ones_like(labels), labels, self.num_classes)
        sums, counts = self._ranks.sum(sums, counts)
        self._sums += sums
        self._counts += counts
        similarity = paired_cosine_similarity(signatures.float(), self.prototypes[labels])
        self._threshold_sums += self._ranks.sum(class_sums(similarity, labels, self.num_classes))[0]

    def match(self, signatures: Tensor, labels: Tensor) -> Match:
        """Say how familiar each sample is, and whether it is a hit; the memory does not change.

        Args:
            signatures: `(N, D)`, floats.
            labels: `(N,)`, int64, the true classes.

        Returns:
            familiarity, nearest class and hit, each `(N,)`; classes not yet seen are never near.

        Raises:
            InvalidValueError: for shapes or labels that do not fit.
        """
        self._check(signatures, labels)
        if not self._sums.shape[1]:
            zeros = torch.zeros(len(labels), device=labels.device)
            return Match(zeros, torch.zeros_like(labels), zeros.bool())
        similarity = cosine_similarity(signatures.float(), self.prototypes)
        seen = self._counts > 0
        familiarity = similarity.gather(1, labels[:, None])[:, 0]
        nearest = similarity.masked_fill(~seen, -torch.inf).argmax(1)
        threshold = self.thresholds[labels]
        above = self.reading == "text"
        passed = familiarity >= threshold if above else familiarity <= threshold
        return Match(familiarity, nearest, passed & (nearest == labels) & seen[labels])

    def merge(self, other: Self) -> None:
        """Add another memory's sums and counts to this one's.

        Args:
            other: a memory of the same classes, fed by the same layer.

        Raises:
            InvalidValueError: where the number of classes or the signatures' width differs.
        """
        if not other._sums.shape[1]:
            return
        if not self._sums.shape[1]:
            self._allocate(other._sums)
        if other._sums.shape != self._sums.shape:
            expected, got = tuple(self._sums.shape), tuple(other._sums.shape)
            raise InvalidValueError(f"other: expected prototypes of {expected}, got {got}")
        self._sums += other._sums.to(self._sums)
        self._threshold_sums += other._threshold_sums.to(self._sums)
        self._counts += other._counts.to(self._sums)

    def state_dict(self) -> dict[str, Tensor]:
        """Copy the state: `sums (K, D)`, `threshold_sums (K,)`, `counts (K,)`, all float64."""
        return {
            "sums": self._sums.clone(),
            "threshold_sums": self._threshold_sums.clone(),
            "counts": self._counts.clone(),
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take over a state that `state_dict` gave.

        Args:
            state: the three tensors by name, of this memory's number of classes.

        Raises:
            InvalidValueError: where a tensor is missing or of another number of classes.
        """
        names = ("sums", "threshold_sums", "counts")
        shapes = {name: tuple(state[name].shape) for name in names if name in state}
        if [shape[:1] for shape in shapes.values()] != [(self.num_classes,)] * len(names):
            expected = f"{', '.join(names)} of {self.num_classes} classes"
            raise InvalidValueError(f"state: expected {expected}, got {shapes}")
        self._sums, self._threshold_sums, self._counts = (state[name].clone() for name in names)

    def _seen_counts(self) -> Tensor:
        return self._counts.where(self._counts > 0, 1)

    def _allocate(self, like: Tensor) -> None:
        self._sums = torch.zeros(
            self.num_classes, like.shape[1], dtype=_accumulator(like.device), device=like.device
        )
        self._threshold_sums = self._threshold_sums.to(self._sums)
        self._counts = self._counts.to(self._sums)

    def _check(self, signatures: Tensor, labels: Tensor) -> None:
        width = self._sums.shape[1]
        if signatures.ndim != 2 or (width and signatures.shape[1] != width):
            expected = f"(N, {width or 'D'})"
            raise InvalidValueError(
                f"signatures: expected {expected}, got {tuple(signatures.shape)}"
            )
        if labels.shape != signatures.shape[:1] or labels.dtype != torch.int64:
            expected = f"({len(signatures)},) of torch.int64"
            got = f"{tuple(labels.shape)} of {labels.dtype}"
            raise InvalidValueError(f"labels: expected {expected}, got {got}")
        if len(labels) and not 0 <= labels.min() <= labels.max() < self.num_classes:
            got = f"{int(labels.min())} … {int(labels.max())}"
            raise InvalidValueError(
                f"labels: expected values in 0 … {self.num_classes - 1}, got {got}"
            )
