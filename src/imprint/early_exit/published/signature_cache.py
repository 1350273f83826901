"""Park & Kim's cache: the class whose cached feature vector is most similar answers."""

from torch import Tensor

from imprint.early_exit.published.answers import Answers
from imprint.memory import ClassMemory
from imprint.signatures import signature
from imprint.similarity import cosine_similarity

__all__ = ["SignatureCache"]


class SignatureCache:
    """Answer by the most similar class vector, sure by how far it lies above the class's threshold.

    The vector of a sample is the mean and deviation of each channel; a class's is their mean, and
    its threshold the mean of their similarities to it.

    Args:
        num_classes: K.

    Source: Park & Kim (2019), Applied Sciences, as the paper that Imprint grew from describes it.

    Examples:
        >>> import torch
        >>> method = SignatureCache(2)
        >>> maps = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> method.learn(maps, torch.tensor([0, 1]))
        >>> method.answer(maps).labels
        tensor([0, 1])
    """

    epochs = 1

    def __init__(self, num_classes: int) -> None:
        self._memory = ClassMemory(num_classes)

    def learn(self, maps: Tensor, labels: Tensor) -> None:
        """Take a batch's vectors into the cache."""
        self._memory.update(signature(maps), labels)

    def answer(self, maps: Tensor) -> Answers:
        """Answer by the most similar vector."""
        similarity = cosine_similarity(signature(maps).float(), self._memory.prototypes)
        nearest, labels = similarity.max(1)
        return Answers(labels, nearest - self._memory.thresholds[labels])
