"""Samples whose label the network keeps contradicting: wrong labels, more often than not."""

import torch
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.skipping.sampling import check_places

__all__ = ["LIMIT", "PACE", "Suspects", "closest_others", "margins"]

PACE = 0.25
"""How far a sample's margin moves to that of its latest look; it takes two to make a suspect."""

LIMIT = -0.35
"""The margin below which a sample is a suspect."""


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
    whole = not (labels.is_floating_point() or labels.is_complex())
    if scores.ndim != 2 or scores.shape[1] < 2 or labels.shape != scores.shape[:1] or not whole:
        expected = "(B, K), K above 1, and (B,) of integers"
        got = f"{tuple(scores.shape)} and {tuple(labels.shape)} of {labels.dtype}"
        raise InvalidValueError(f"scores, labels: expected {expected}; got {got}")
    if len(labels) and not 0 <= labels.min() <= labels.max() < scores.shape[1]:
        got = f"{int(labels.min())} … {int(labels.max())}"
        expected = f"values in 0 … {scores.shape[1] - 1}"
        raise InvalidValueError(f"labels: expected {expected}, got {got}")
    own = scores.gather(1, labels[:, None])[:, 0]
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
    from 0 on, and no single look makes a suspect.

    Args:
        count: N, the samples of the data set; 6 bytes each are kept.
        limit: the margin below which a sample is a suspect, in [-1, 0).

    Attributes:
        margins: `(N,)`, float16, in [-1, 1]; 0 where nothing is known.
        closest: `(N,)`, int32, the class that the last look found closest besides the label; -1
            where nothing is known.

    Raises:
        InvalidValueError: for a value out of range.

    Source: after the area under the margin (Pleiss and others, NeurIPS 2020), with probabilities
    for logits and a fading mean for the mean, so that it can be asked while training goes on.

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
        if not -1 <= limit < 0:
            raise InvalidValueError(f"limit: expected a margin in [-1, 0), got {limit}")
        self._limit = limit
        self.margins = torch.zeros(count, dtype=torch.float16)
        self.closest = torch.full((count,), -1, dtype=torch.int32)

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
        if labels.shape != index.shape:
            expected, got = tuple(index.shape), tuple(labels.shape)
            raise InvalidValueError(
                f"labels: expected {expected}, one for each of index; got {got}"
            )
        probabilities = logits.detach().float().softmax(-1)
        latest = margins(probabilities, labels).cpu()
        index, known = index.cpu(), ~latest.isnan()
        old = self.margins[index].float()
        self.margins[index] = old.lerp(latest, PACE).where(known, old).half()
        closest = closest_others(probabilities, labels).to("cpu", torch.int32)
        self.closest[index] = closest.where(known, self.closest[index])
        return self.margins[index] < self._limit

    def places(self) -> Tensor:
        """List the suspects.

        Returns:
            `(M,)`, int64, places in the data set, the most contradicted first.
        """
        order = self.margins.argsort(stable=True)
        return order[self.margins[order] < self._limit]

    def state_dict(self) -> dict[str, Tensor]:
        """Copy the state.

        Returns:
            `margins` and `closest`, `(N,)` each.
        """
        return {"margins": self.margins.clone(), "closest": self.closest.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take over a state that `state_dict` gave.

        Args:
            state: the tensors by name, of as many samples.

        Raises:
            InvalidValueError: where one is missing, or of another number of samples.
        """
        shapes = {name: tuple(value.shape) for name, value in state.items()}
        wanted = {name: tuple(value.shape) for name, value in self.state_dict().items()}
        if shapes != wanted:
            raise InvalidValueError(f"state: expected {wanted}, got {shapes}")
        self.margins.copy_(state["margins"])
        self.closest.copy_(state["closest"])


def _without_own(scores: Tensor, labels: Tensor) -> Tensor:
    return scores.scatter(1, labels[:, None], -torch.inf)
