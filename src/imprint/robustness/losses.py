"""What an attack makes as large as it can."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["LOSSES", "Loss", "cross_entropy", "log_odds"]

Loss = Callable[[Tensor, Tensor], Tensor]
"""From logits `(N, K)` and labels `(N,)`, int64, to `(N,)`."""


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Give the cross entropy of each image, which most attacks climb.

    Args:
        logits: `(N, K)`, floats.
        labels: `(N,)`, int64.

    Returns:
        `(N,)`, in nats. Where a network is so sure that the loss is rounded to 0, so is its
        gradient, in part or in whole, and the attack is weaker than it could be: see `log_odds`.

    Examples:
        >>> cross_entropy(torch.tensor([[0.0, 0.0]]), torch.tensor([0]))
        tensor([0.6931])
    """
    return F.cross_entropy(logits, labels, reduction="none")


def log_odds(logits: Tensor, labels: Tensor) -> Tensor:
    """Give the log odds against the true class, whose gradient no rounding hides.

    The cross entropy is `log(1 + exp(.))` of it, which only grows: without rounding, the gradients
    of the two have equal signs, and the attacks are the same.

    Args:
        logits: `(N, K)`, floats.
        labels: `(N,)`, int64.

    Returns:
        `(N,)`, log of the probability of all other classes over that of the true one.

    Source: Carlini & Wagner (2017), "Towards evaluating the robustness of neural networks", on
    attacks that fail for want of a gradient, as with defensive distillation.

    Examples:
        >>> log_odds(torch.tensor([[50.0, 0.0]]), torch.tensor([0]))
        tensor([-50.])
    """
    own = F.one_hot(labels, logits.shape[1]).bool()
    others = logits.masked_fill(own, -torch.inf).logsumexp(1)
    return others - logits.gather(1, labels[:, None])[:, 0]


LOSSES: dict[str, Loss] = {"cross-entropy": cross_entropy, "log-odds": log_odds}
"""By the names that settings give them."""
