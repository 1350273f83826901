"""Whether held-out samples are among those that a network was trained on, by their indices."""

import warnings
from collections.abc import Sequence
from typing import Any

from torch.utils.data import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
)

from imprint.types import ImageSet

__all__ = ["warn_of_overlap"]


def warn_of_overlap(fit_on: Any, promise_on: Any) -> None:
    """Warn where a promise would be tested on samples that were learnt from.

    Args:
        fit_on: the data set that the network was trained on, or a loader of it.
        promise_on: the held-out samples, or a loader of them.

    Examples:
        >>> import torch
        >>> numbers = torch.utils.data.TensorDataset(torch.arange(4))
        >>> with warnings.catch_warnings(record=True) as told:
        ...     warnings.simplefilter("always")
        ...     warn_of_overlap(Subset(numbers, [0, 1]), Subset(numbers, [1, 2]))
        >>> str(told[0].message)
        'promise_on: expected samples that the model was not trained on; 1 of 2 are in fit_on...'
    """
    (one, fitted), (other, held) = _used(fit_on), _used(promise_on)
    if one is not other:
        return
    rows = set(held)
    shared = len(rows.intersection(fitted))
    if shared:
        warnings.warn(
            "promise_on: expected samples that the model was not trained on; "
            f"{shared} of {len(rows)} are in fit_on, and for such the promise means nothing",
            UserWarning,
            stacklevel=3,
        )


def _used(data: Any) -> tuple[Any, Sequence[int]]:
    """The data set below subsets and loaders, and the rows of it that are used."""
    if isinstance(data, DataLoader):
        base, order = _used(data.dataset)
        return base, _sampled(_sampler_of(data), order)
    if isinstance(data, Subset):
        base, order = _used(data.dataset)
        return base, [order[index] for index in data.indices] if order else []
    if isinstance(data, ImageSet):  # may be another object with the same images
        return data.images, range(len(data))
    try:
        return data, range(len(data))
    except TypeError:
        return data, []


def _sampler_of(loader: DataLoader[Any]) -> Any:
    """What draws a loader's rows: that of its batches, if these are drawn otherwise."""
    batches = loader.batch_sampler
    if batches is None or type(batches) is BatchSampler:
        return loader.sampler if batches is None else batches.sampler
    return batches


def _sampled(sampler: Any, order: Sequence[int]) -> Sequence[int]:
    """The rows that a loader draws; of a sampler that does not tell, none."""
    if isinstance(sampler, SubsetRandomSampler):
        return [order[index] for index in sampler.indices] if order else []
    return order if isinstance(sampler, SequentialSampler | RandomSampler) else []
