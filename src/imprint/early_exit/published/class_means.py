"""E2CM: the nearest class mean of a layer's output answers."""

import torch
from torch import Tensor

from imprint.early_exit.published.answers import Answers
from imprint.memory import class_sums

__all__ = ["ClassMeans"]


class ClassMeans:
    """Answer by the nearest mean of a class's maps, sure by the softmax of the distances.

    Distances are divided by their mean over the classes, so that one threshold serves all layers.
    Neither weights nor gradients are used.

    Args:
        num_classes: K.

    Source: Görmez, Dasari & Koyuncu (2022), "E2CM: Early exit via class means for efficient
    supervised and unsupervised learning".

    Examples:
        >>> method = ClassMeans(2)
        >>> method.learn(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1]))
        >>> method.answer(torch.tensor([[0.9, 0.2]])).labels
        tensor([0])
    """

    epochs = 1

    def __init__(self, num_classes: int) -> None:
        self._classes = num_classes
        self._sums: Tensor | None = None
        self._counts = torch.zeros(num_classes, dtype=torch.float64)

    def learn(self, maps: Tensor, labels: Tensor) -> None:
        """Add a batch's maps to its classes' sums."""
        sums = class_sums(maps.flatten(1), labels, self._classes)
        self._sums = sums if self._sums is None else self._sums + sums
        self._counts += labels.bincount(minlength=self._classes)

    def answer(self, maps: Tensor) -> Answers:
        """Answer by the nearest mean."""
        assert self._sums is not None  # noqa: S101 - it has learnt
        means = (self._sums / self._counts.clamp_min(1)[:, None]).float()
        distances = torch.cdist(maps.flatten(1).float(), means)
        scores = (-distances / distances.mean(1, keepdim=True)).softmax(1)
        sureness, labels = scores.max(1)
        return Answers(labels, sureness)
