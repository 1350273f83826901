"""Plain confidence at the end: a whole network answers, sure by its largest softmax."""

import torch
from torch import Tensor, nn

from imprint.early_exit.published.answers import Answers
from imprint.outputs import first_tensor

__all__ = ["FinalConfidence"]


class FinalConfidence:
    """Answer by a network's own logits, sure by the largest softmax; nothing is learnt.

    The softmax is given as its log odds, of the same order, in which no digit is lost near 1. Time
    is saved where the network is a small one before another, which answers the rest.

    Args:
        network: gives logits `(N, K)`; it runs as it is, in eval mode.

    Source: Hendrycks & Gimpel (2017), "A baseline for detecting misclassified and
    out-of-distribution examples in neural networks"; Wang et al. (2017), "IDK cascades".

    Examples:
        >>> FinalConfidence(nn.Identity()).answer(torch.tensor([[2.0, 2.0], [0.0, 9.0]]))
        Answers(labels=tensor([0, 1]), sureness=tensor([0., 9.]))
    """

    epochs = 0

    def __init__(self, network: nn.Module) -> None:
        self._network = network

    def learn(self, maps: Tensor, labels: Tensor) -> None:
        """Learn nothing: the network is trained."""

    @torch.no_grad()
    def answer(self, maps: Tensor) -> Answers:
        """Answer whole images, as the network takes them."""
        logits = first_tensor(self._network(maps), "the network").float()
        highest, labels = logits.max(1)
        others = logits.scatter(1, labels[:, None], -torch.inf)
        return Answers(labels, highest - others.logsumexp(1))
