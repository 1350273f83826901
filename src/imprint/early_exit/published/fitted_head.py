"""Imprint's own heads in the form of the published ones, to be set beside them."""

import torch
from torch import Tensor

from imprint.early_exit.fitting import fit_head
from imprint.early_exit.heads import Head, HeadKind, features_of, head_logits, margins
from imprint.early_exit.published.answers import Answers

__all__ = ["FittedHead"]


class FittedHead:
    """Answer by one of our heads, sure by its margin.

    Args:
        num_classes: K.
        kind: of head.

    Examples:
        >>> method = FittedHead(2, kind="mlp")
        >>> maps = torch.rand(8, 3, 6, 6)
        >>> method.learn(maps, torch.arange(8) % 2)
        >>> method.answer(maps).labels.shape
        torch.Size([8])
    """

    epochs = 1

    def __init__(self, num_classes: int, *, kind: HeadKind = "mlp") -> None:
        self._classes, self._kind = num_classes, kind
        self._seen: list[tuple[Tensor, Tensor]] = []
        self._head: Head | None = None

    def learn(self, maps: Tensor, labels: Tensor) -> None:
        """Keep a batch's features."""
        self._seen.append((features_of(maps, self._kind), labels))

    def answer(self, maps: Tensor) -> Answers:
        """Answer by the head, which is fitted when it is first asked."""
        if self._head is None:
            features, labels = (torch.cat(parts) for parts in zip(*self._seen, strict=True))
            self._head = fit_head(features, labels, self._classes, self._kind)
            self._seen.clear()
        logits = head_logits(maps, self._head)
        return Answers(logits.argmax(1), margins(logits))
