"""What answers early at a layer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

import torch
from torch import Tensor

from imprint.early_exit.heads import Head, head_logits, margins

__all__ = ["AnyExit", "Exit", "Exits"]


@dataclass(frozen=True, eq=False)
class Exit:
    """A layer at which rows may be answered.

    Attributes:
        layer: its name.
        shape: of its maps, without the batch: another shape is an error.
        head: what answers.
        threshold: the least margin of an answer; infinity closes the exit.
    """

    layer: str
    shape: tuple[int, ...]
    head: Head
    threshold: float

    def answer(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Answer maps.

        Args:
            maps: `(N, ...)`, of the layer.

        Returns:
            Logits `(N, K)`, and how sure each is, `(N,)`.
        """
        logits = head_logits(maps, self.head)
        return logits, margins(logits)

    def to(self, device: torch.device) -> "Exit":
        """Move the head to where maps are.

        Args:
            device: of the maps.

        Returns:
            The exit there.
        """
        return (
            self if self.head.weight.device == device else replace(self, head=self.head.to(device))
        )


class AnyExit(Protocol):
    """Whatever answers at a layer, as an `Exit`, or before all, as a `FirstNetwork`."""

    @property
    def layer(self) -> str:
        """Its name."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Of its maps, without the batch."""
        ...

    @property
    def threshold(self) -> float:
        """How sure an answer must be at least."""
        ...

    def answer(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Give logits and how sure they are."""
        ...

    def to(self, device: torch.device) -> Self:
        """Move to a device."""
        ...


Exits = Sequence[AnyExit]
"""In the order in which the network runs them."""
