"""Whether held-out samples are among those that a network was trained on, by their indices."""

import warnings
from typing import Any

from torch.utils.data import Subset

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
    (one, fitted), (other, held) = _rows(fit_on), _rows(promise_on)
    shared = len(fitted & held) if one is other else 0
    if shared:
        warnings.warn(
            "promise_on: expected samples that the model was not trained on; "
            f"{shared} of {len(held)} are in fit_on, and for such the promise means nothing",
            UserWarning,
            stacklevel=3,
        )


def _rows(data: Any) -> tuple[Any, set[int]]:
    """The data set below subsets and loaders, and the rows of it that are used."""
    data = getattr(data, "dataset", data) if not isinstance(data, Subset) else data
    if isinstance(data, Subset):
        base, rows = _rows(data.dataset)
        order = sorted(rows)
        return base, {order[index] for index in data.indices}
    return data, set(range(len(data))) if hasattr(data, "__len__") else set()
