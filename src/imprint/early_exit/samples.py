"""Batches of images and labels, of whatever holds samples."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, Subset

from imprint.data import batches_of, normalisation
from imprint.errors import InvalidValueError
from imprint.types import ImageSet, Normalisation

__all__ = ["Pairs", "batches_from", "known_labels", "one_of_each_group", "pair_of"]

Pairs = Iterable[tuple[Tensor, Tensor]]
"""Batches `(images, labels)`, such as a `DataLoader` gives."""


def pair_of(batch: Any, name: str = "data") -> tuple[Tensor, Tensor]:
    """Check that a batch is one of images and labels.

    Args:
        batch: what a data set gave.
        name: of the data set, for the error.

    Returns:
        The images, and the labels `(N,)`.

    Raises:
        InvalidValueError: where it is not.

    Examples:
        >>> pair_of({"image": torch.zeros(2, 1, 4, 4)})
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: data: expected batches (images, labels), ... got dict
    """
    match batch:
        case [Tensor() as images, Tensor() as labels]:
            got = f"labels {tuple(labels.shape)} of {labels.dtype} for images {tuple(images.shape)}"
            if labels.ndim == 1 and not labels.is_floating_point() and images.ndim:
                return images, labels
        case [*parts]:
            got = f"({', '.join(type(part).__name__ for part in parts[:4])})"
        case _:
            got = type(batch).__name__
    expected = "batches (images, labels), tensors (N, …) and (N,) of integers"
    raise InvalidValueError(f"{name}: expected {expected}; got {got}")


def batches_from(
    data: Any,
    batch_size: int,
    scale: Normalisation | None = None,
    *,
    most: int | None = None,
    name: str = "data",
) -> tuple[Pairs, Normalisation | None]:
    """Make batches of whatever holds samples.

    Args:
        data: batches already, as of a `DataLoader`; a map-style data set of `(image, label)` as
            the model takes them; or an `ImageSet`, whose bytes are normalised.
        batch_size: of those that are made here.
        scale: what an `ImageSet` without a normalisation of its own is normalised by; None
            measures it.
        most: samples of a data set to take, spread over it; None for all. Of batches that are made
            already, none is left out.
        name: of the data, for the error.

    Returns:
        The batches, and the normalisation of an `ImageSet`.

    Raises:
        InvalidValueError: for anything else.

    Examples:
        >>> images = ImageSet(torch.zeros(3, 1, 2, 2).byte(), torch.tensor([0, 1, 1]), ("a", "b"))
        >>> batches, _ = batches_from(images, 2)
        >>> [len(labels) for _, labels in batches]
        [2, 1]
    """
    if isinstance(data, ImageSet):
        scale = data.normalisation or scale
        if scale is None and not data.floats:
            scale = normalisation(data.images)
        if most is not None and most < len(data):
            rows = _spread(len(data), most)
            data = data.taken(rows)
        made = batches_of(data, min(batch_size, len(data)), scale, shuffle=False, drop_last=False)
        return ((batch.images, batch.labels) for batch in made.epoch(0)), scale
    if isinstance(data, Mapping | str | bytes | Tensor):
        got = type(data).__name__
        raise InvalidValueError(f"{name}: expected a data set or batches, got {got}")
    if isinstance(data, IterableDataset):
        raise InvalidValueError(f"{name}: expected a loader of an IterableDataset, got the set")
    if hasattr(data, "__getitem__") and not isinstance(data, list | tuple):
        return DataLoader(Subset(data, _spread(len(data), most).tolist()), batch_size), scale
    if isinstance(data, Iterable):  # of batches
        return data, scale
    raise InvalidValueError(f"{name}: expected a data set or batches, got {type(data).__name__}")


def one_of_each_group(data: Any, seed: int) -> Any:
    """Leave one sample of each group, as one excerpt of each track: those are independent.

    Args:
        data: whatever holds samples.
        seed: that draws the one that stays.

    Returns:
        An `ImageSet` with groups without the others; all else as it is.

    Examples:
        >>> sounds, labels = torch.zeros(6, 2, 4, 4).byte(), torch.zeros(6, dtype=torch.int64)
        >>> tracks = torch.tensor([7, 7, 7, 4, 4, 5])
        >>> few = one_of_each_group(ImageSet(sounds, labels, ("",), groups=tracks), seed=0)
        >>> few.groups
        tensor([7, 4, 5])
    """
    if not isinstance(data, ImageSet) or data.groups is None:
        return data
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed)).tolist()
    drawn = {int(data.groups[row]): row for row in order}
    return data.taken(torch.tensor(sorted(drawn.values()), dtype=torch.int64))


def known_labels(data: Any) -> Tensor | None:
    """Say the labels of samples where that takes no reading of them.

    Args:
        data: whatever `batches_from` takes.

    Returns:
        `(N,)`, int64; None where they are not known yet.

    Examples:
        >>> known_labels([(torch.zeros(2, 1, 2, 2), torch.tensor([1, 0]))])
        tensor([1, 0])
    """
    if isinstance(data, ImageSet):
        return data.labels
    if isinstance(data, list | tuple) and data:
        return torch.cat([pair_of(batch)[1].cpu() for batch in data])
    return None


def _spread(count: int, most: int | None) -> Tensor:
    """Rows that lie evenly over a set, which may be sorted."""
    taken = min(count, most or count)
    return torch.linspace(0, count - 1, taken, dtype=torch.float64).round().long()
