"""Samples whose label the network keeps contradicting: wrong labels, more often than not."""

import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.skipping.checks import check_places, kinds_of

__all__ = ["LIMIT", "PACE", "Suspects", "closest_others", "margins"]

PACE = 0.25
"""How far a sample's margin moves to that of its latest look; it takes two to make a suspect."""

LIMIT = -0.35
"""The margin below which a sample is a suspect."""

MOST = 0.99
"""No limit is as far from 0: margins in float16 come to rest at -0.999."""


def margins(scores: Tensor, labels: Tensor) -> Tensor:
    """Say by how much samples are nearer to their own class than to the closest other one.

    Args:
        scores: `(B, K)`, floats, K at least 2: probabilities, or similarities to prototypes.
        labels: `(B,)`, int64, in `0 … K-1`.

    Returns:
        `(B,)`: the own class's score less the highest of the others; below 0 where one is closer.

    Raises:
        InvalidValueError: where shapes or labels do not fit.

    Examples:
        >>> margins(torch.tensor([[0.75, 0.25], [0.75, 0.25]]), torch.tensor([0, 1]))
        tensor([ 0.5000, -0.5000])
    """
    whole = not (labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool)
    if scores.ndim != 2 or scores.shape[1] < 2 or labels.shape != scores.shape[:1] or not whole:
        expected = "(B, K), K above 1, and (B,) of integers"
        got = f"{tuple(scores.shape)} and {tuple(labels.shape)} of {labels.dtype}"
        raise InvalidValueError(f"scores, labels: expected {expected}; got {got}")
    if len(labels) and not 0 <= labels.min() <= labels.max() < scores.shape[1]:
        got = f"{int(labels.min())} … {int(labels.max())}"
        expected = f"values in 0 … {scores.shape[1] - 1}"
        raise InvalidValueError(f"labels: expected {expected}, got {got}")
    own = scores.gather(1, labels.long()[:, None])[:, 0]
    return own - _without_own(scores, labels).max(1).values


def closest_others(scores: Tensor, labels: Tensor) -> Tensor:
    """Name the class that samples are closest to besides their own.

    Args:
        scores: `(B, K)`, floats, K at least 2.
        labels: `(B,)`, int64, in `0 … K-1`.

    Returns:
        `(B,)`, int64.

    Examples:
        >>> closest_others(torch.tensor([[0.5, 0.3, 0.2]]), torch.tensor([0]))
        tensor([1])
    """
    return _without_own(scores, labels).argmax(1)


class Suspects:
    """Keep for each sample how clearly the network has contradicted its label, epoch by epoch.

    Early in training a network learns what most labels say, and contradicts the wrong ones; it
    learns those by heart only later. So each look moves a sample's margin a quarter of the way,
    from 0 on, and no single look makes a suspect. A class that the network contradicts as a whole
    it has not learned yet, a rare one say: there a sample must fall as far below the class's mean.

    Args:
        count: N, the samples of the data set; 10 bytes each are kept.
        limit: the margin below which a sample is a suspect, in (-0.99, 0); in a class whose mean
            margin is below 0, so far below the mean.

    Attributes:
        margins: `(N,)`, float16, in [-1, 1]; 0 where nothing is known.
        closest: `(N,)`, int32, the class that the last look found closest besides the label; -1
            where nothing is known.
        labels: `(N,)`, int32, as they were told; -1 where nothing is known.

    Raises:
        InvalidValueError: for a value out of range.

    Source: after the area under the margin (Pleiss and others, NeurIPS 2020), with probabilities
    for logits and a fading mean for the mean, so that it can be asked while training goes on; a
    measure for each class as in confident learning (Northcutt and others, JAIR 2021).

    Examples:
        >>> suspects = Suspects(3)
        >>> index, labels = torch.arange(3), torch.tensor([0, 0, 1])
        >>> logits = torch.tensor([[4.0, 0.0], [0.0, 4.0], [0.0, 4.0]])
        >>> for _ in range(2):
        ...     print(suspects.record(index, logits, labels))
        tensor([False, False, False])
        tensor([False,  True, False])
        >>> suspects.places()
        tensor([1])
    """

    def __init__(self, count: int, *, limit: float = LIMIT) -> None:
        if count < 1:
            raise InvalidValueError(f"count: expected at least 1, got {count}")
        if not -MOST < limit < 0:
            raise InvalidValueError(f"limit: expected a margin in (-{MOST}, 0), got {limit}")
        self._limit = limit
        self.margins = torch.zeros(count, dtype=torch.float16)
        self.closest = torch.full((count,), -1, dtype=torch.int32)
        self.labels = torch.full((count,), -1, dtype=torch.int32)
        self._sums = self._counts = torch.zeros(0, dtype=torch.float64)  # of margins, by class

    def record(self, index: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        """Note what the network said of a batch.

        Args:
            index: `(B,)`, int64, places in the data set, each once.
            logits: `(B, K)`, floats; a row with a NaN changes nothing.
            labels: `(B,)`, int64, in `0 … K-1`.

        Returns:
            `(B,)`, bool, on the CPU: which of them are suspects now.

        Raises:
            InvalidValueError: where shapes or places do not fit.
        """
        check_places(index, len(self.margins))
        _check_look(index, logits, labels)
        probabilities = logits.detach().float().softmax(-1)
        latest = margins(probabilities, labels).cpu()
        closest = closest_others(probabilities, labels).cpu()
        known = ~latest.isnan()
        rows = index.cpu()[known]
        self._tally(rows, -1)
        self.margins[rows] = self.margins[rows].float().lerp(latest[known], PACE).half()
        self.closest[rows] = closest[known].int()
        self.labels[rows] = labels.cpu()[known].int()
        self._tally(rows, 1)
        return self.among(index)

    def among(self, index: Tensor) -> Tensor:
        """Say which of some samples are suspects now.

        Args:
            index: `(B,)`, int64, places in the data set, each once.

        Returns:
            `(B,)`, bool, on the CPU.

        Raises:
            InvalidValueError: where places do not fit.
        """
        check_places(index, len(self.margins))
        return self._contradicted(index.cpu())

    def places(self) -> Tensor:
        """List the suspects.

        Returns:
            `(M,)`, int64, places in the data set, the most contradicted first.
        """
        order = self.margins.argsort(stable=True)
        return order[self._contradicted(order)]

    def _contradicted(self, rows: Tensor) -> Tensor:
        """Whether margins lie below the limit, or as far below a class's mean that is below 0."""
        means = self._sums / self._counts.clamp_min(1)
        limits = self._limit + torch.cat([means.clamp_max(0), torch.zeros(1)])
        return self.margins[rows] < limits[self.labels[rows].long()]  # -1, not known: the last

    def _tally(self, rows: Tensor, sign: int) -> None:
        """Add what is known of some samples to their classes' sums, or take it away."""
        rows = rows[self.labels[rows] >= 0]
        labels, values = self.labels[rows].long(), self.margins[rows].double()
        classes = max(len(self._sums), int(labels.max()) + 1 if len(labels) else 0)
        more = (0, classes - len(self._sums))
        self._sums = F.pad(self._sums, more).index_add(0, labels, sign * values)
        self._counts = F.pad(self._counts, more).index_add(
            0, labels, sign * torch.ones_like(values)
        )

    def state_dict(self) -> dict[str, Tensor]:
        """Copy the state.

        Returns:
            `margins`, `closest` and `labels`, `(N,)` each.
        """
        names = ("margins", "closest", "labels")
        return {name: getattr(self, name).clone() for name in names}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take over a state that `state_dict` gave.

        Args:
            state: the tensors by name, of as many samples.

        Raises:
            InvalidValueError: where one is missing, of another number of samples or dtype.
        """
        if (kinds := kinds_of(state)) != (wanted := kinds_of(self.state_dict())):
            raise InvalidValueError(f"state: expected {wanted}, got {kinds}")
        for name, value in state.items():
            getattr(self, name).copy_(value)
        self._sums = self._counts = torch.zeros(0, dtype=torch.float64)
        self._tally(torch.arange(len(self.labels)), 1)


def _check_look(index: Tensor, logits: Tensor, labels: Tensor) -> None:
    """Check that there are logits, and a label for each place."""
    got = tuple(labels.shape) if isinstance(labels, Tensor) else type(labels).__name__
    if got != (expected := tuple(index.shape)):
        raise InvalidValueError(f"labels: expected {expected}, one for each of index; got {got}")
    if not isinstance(logits, Tensor) or logits.is_complex():
        kind = logits.dtype if isinstance(logits, Tensor) else type(logits).__name__
        raise InvalidValueError(f"logits: expected a tensor of real numbers, got {kind}")


def _without_own(scores: Tensor, labels: Tensor) -> Tensor:
    return scores.scatter(1, labels.long()[:, None], -torch.inf)
