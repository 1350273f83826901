"""Batch norm's statistics over all images, after a training that chose its own."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from imprint.data import Batch

__all__ = ["NORM_BATCHES", "renew_batch_norm"]

NORM_BATCHES = 100
"""Batches that the statistics are taken from, at most."""


@torch.no_grad()
def renew_batch_norm(model: nn.Module, batches: Iterable[Batch]) -> int:
    """Replace the running statistics of batch norm by the mean over batches.

    Args:
        model: in the modes that it trains in; the running statistics of batch norms in training
            mode change, nothing else, and after an error not even those.
        batches: up to 100 of them run forward.

    Returns:
        How many images ran forward.

    Examples:
        >>> model = nn.BatchNorm1d(1)
        >>> batch = Batch(torch.arange(2), torch.tensor([[1.0], [3.0]]), torch.tensor([0, 0]))
        >>> renew_batch_norm(model, [batch]), model.running_mean
        (2, tensor([2.]))
    """
    norms = [
        part
        for part in model.modules()
        if isinstance(part, _BatchNorm) and part.training and part.track_running_stats
    ]
    stream, count = islice(batches, NORM_BATCHES), 0
    first = next(stream, None) if norms else None
    if first is None:
        return 0
    with _averaging(norms):
        for batch in chain([first], stream):
            model(batch.images)
            count += len(batch.images)
    return count


@contextmanager
def _averaging(norms: list[_BatchNorm]) -> Iterator[None]:
    """Statistics start afresh and weigh each batch alike; after an error they are as before."""
    before = [
        (part, part.momentum, {name: value.clone() for name, value in part.named_buffers()})
        for part in norms
    ]
    try:
        for part in norms:
            part.reset_running_stats()
            part.momentum = None  # the mean of all
        yield
    except BaseException:
        for part, _, buffers in before:
            part.load_state_dict(part.state_dict() | buffers)
        raise
    finally:
        for part, momentum, _ in before:
            part.momentum = momentum
