"""What every way to answer at a layer has in common."""

from typing import NamedTuple, Protocol

from torch import Tensor

__all__ = ["Answers", "ExitMethod"]


class Answers(NamedTuple):
    """What an exit says of N samples.

    Attributes:
        labels: `(N,)`, int64.
        sureness: `(N,)`, higher is surer; NaN is never sure.
    """

    labels: Tensor
    sureness: Tensor


class ExitMethod(Protocol):
    """A way to answer at one layer of a network that is trained already.

    Attributes:
        epochs: over the training data that it learns from.
    """

    epochs: int

    def learn(self, maps: Tensor, labels: Tensor) -> None:
        """Take in a batch.

        Args:
            maps: `(N, C, H, W)`, the layer's.
            labels: `(N,)`, int64.
        """
        ...

    def answer(self, maps: Tensor) -> Answers:
        """Answer a batch.

        Args:
            maps: `(N, C, H, W)`, the layer's.

        Returns:
            The answers.
        """
        ...
