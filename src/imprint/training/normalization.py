"""Batch norm's statistics over all images, after a training that chose its own."""

from collections.abc import Iterable, Iterator
from itertools import islice

from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from imprint.data import Batch

__all__ = ["NORM_BATCHES", "renew_batch_norm"]

NORM_BATCHES = 100
"""Batches that the statistics are taken from, at most."""

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def renew_batch_norm(model: nn.Module, batches: Iterable[Batch]) -> int:
    """Replace the running statistics of batch norm by the mean over batches.

    Args:
        model: its running statistics change, nothing else; one without batch norm is left as it is.
        batches: up to 100 of them run forward.

    Returns:
        How many images ran forward.

    Examples:
        >>> import torch
        >>> model = nn.BatchNorm1d(1)
        >>> batch = Batch(torch.arange(2), torch.tensor([[1.0], [3.0]]), torch.tensor([0, 0]))
        >>> renew_batch_norm(model, [batch]), model.running_mean
        (2, tensor([2.]))
    """
    if not any(isinstance(part, _NORMS) for part in model.modules()):
        return 0
    modes, count = [(part, part.training) for part in model.modules()], 0

    def images() -> Iterator[Tensor]:
        nonlocal count
        for batch in islice(batches, NORM_BATCHES):
            count += len(batch.images)
            yield batch.images

    try:
        update_bn(images(), model)
    finally:
        for part, training in modes:  # update_bn puts back only the model's own
            part.training = training
    return count
