"""How often a network is right, a class each."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from imprint.data import Batch
from imprint.outputs import first_tensor
from imprint.taps import guest

__all__ = ["class_hits"]


@torch.inference_mode()
def class_hits(
    model: nn.Module, batches: Iterable[Batch], num_classes: int
) -> tuple[Tensor, Tensor]:
    """Count a network's right answers, a class each.

    Args:
        model: gives logits `(N, K)`; it runs in eval mode and is left as it was.
        batches: each with images and labels.
        num_classes: K.

    Returns:
        the right answers and the samples of each class, each `(K,)`, int64, on the CPU.

    Examples:
        >>> batch = Batch(torch.arange(2), torch.eye(2), torch.tensor([0, 0]))
        >>> class_hits(nn.Identity(), [batch], 2)
        (tensor([1, 0]), tensor([2, 0]))
    """
    right = torch.zeros(num_classes, dtype=torch.int64)
    total = torch.zeros(num_classes, dtype=torch.int64)
    with guest(model):
        for batch in batches:
            answers = first_tensor(model(batch.images), "the model's output").argmax(1)
            labels = batch.labels
            right += labels[answers == labels].bincount(minlength=num_classes).cpu()
            total += labels.bincount(minlength=num_classes).cpu()
    return right, total
