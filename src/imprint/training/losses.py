"""The loss of a training step."""

import torch.nn.functional as F
from torch import Tensor

__all__ = ["mean_loss"]


def mean_loss(
    logits: Tensor, labels: Tensor, weights: Tensor | None, *, smoothing: float = 0.0
) -> Tensor:
    """Take the mean cross-entropy, weighted where a plan weighs.

    Args:
        logits: `(N, K)`.
        labels: `(N,)`, int64.
        weights: `(N,)`, or None for 1 each; the mean is over N, whatever they sum to.
        smoothing: of the labels, in [0, 1).

    Returns:
        A scalar.

    Examples:
        >>> import torch
        >>> logits, labels = torch.zeros(2, 4), torch.tensor([0, 3])
        >>> mean_loss(logits, labels, torch.tensor([2.0, 0.0]))
        tensor(1.3863)
    """
    if weights is None:
        return F.cross_entropy(logits, labels, label_smoothing=smoothing)
    losses = F.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="none")
    return (losses * weights).mean()
