"""Anyone's map-style data set: into memory, or with the index of each item beside it."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from imprint.data.labels import encode_labels
from imprint.data.pixels import to_pixels
from imprint.errors import InvalidValueError
from imprint.types import ImageSet

__all__ = ["Indexed", "MapStyle", "from_dataset", "indexed", "stack_images", "to_pair"]

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class MapStyle(Protocol[T_co]):
    """A data set that has a length and gives the item of an index."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> T_co: ...


class Indexed(Dataset[tuple[int, T]]):
    """A map-style data set that gives `(index, item)`; see `indexed`."""

    def __init__(self, dataset: MapStyle[T]) -> None:
        self.dataset = dataset
        self._count = len(dataset)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[int, T]:
        if len(self.dataset) != self._count:  # a plan would never load what has come
            expected = f"{self._count} samples, as when it was indexed"
            raise InvalidValueError(f"dataset: expected {expected}; got {len(self.dataset)}")
        return index, self.dataset[index]


def indexed(dataset: MapStyle[T]) -> Indexed[T]:
    """Give each item of a data set with its index, as a `SkipPlan` wants it recorded.

    Args:
        dataset: any map-style data set.

    Returns:
        a data set of pairs `(index, item)`, of the same length; it refuses to give any once the
        data set has grown or shrunk.

    Raises:
        InvalidValueError: for a data set that has no length or no items by index.

    Examples:
        >>> indexed(["a", "b"])[1]
        (1, 'b')
    """
    _check_map_style(dataset)
    return Indexed(dataset)


def from_dataset(dataset: MapStyle[Any], *, least: int = 2) -> ImageSet:
    """Take a small data set into memory.

    Args:
        dataset: gives `(image, label)`. An image is a Pillow image; a tensor `(H, W)` or
            `(C, H, W)`; or a numpy array `(H, W)`, `(H, W, C)` or `(C, H, W)`; integers in
            `0 … 255` or floats in [0, 1]. All have one size; grey ones among colour ones become
            RGB. A label is a whole number or a string. `dataset.classes`, as torchvision's have it,
            names the classes.
        least: classes that it must have.

    Returns:
        images `(N, C, H, W)`, with labels in `0 … K-1`.

    Raises:
        InvalidValueError: for items that are not as above; it names the first.

    Examples:
        >>> pairs = [(torch.zeros(1, 8, 8), "cat"), (torch.ones(1, 8, 8), "dog")]
        >>> from_dataset(pairs).class_names
        ('cat', 'dog')
    """
    _check_map_style(dataset)
    pairs = [to_pair(dataset[row], f"item {row}") for row in range(len(dataset))]
    labels, _, names = encode_labels(
        [label for _, label in pairs], names=_class_names(dataset), least=least
    )
    return ImageSet(stack_images([image for image, _ in pairs]), labels, names)


def to_pair(item: Any, name: str) -> tuple[Tensor, int | str]:
    """Check a data set's item and bring it to bytes and a plain label.

    Args:
        item: to be `(image, label)`, as for `from_dataset`.
        name: what an error calls it.

    Returns:
        the image `(C, H, W)`, uint8, and the label.

    Raises:
        InvalidValueError: for anything else.

    Examples:
        >>> to_pair((torch.zeros(2, 2), torch.tensor(3)), "item 0")[1]
        3
    """
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise InvalidValueError(f"{name}: expected (image, label), got {type(item).__name__}")
    image, label = item
    if isinstance(label, Tensor | np.generic | np.ndarray) and np.prod(label.shape) == 1:
        label = label.item()
    if not isinstance(label, int | str):
        got = f"{label!r} ({type(label).__name__})"
        raise InvalidValueError(f"{name}: expected a whole number or a string as label, got {got}")
    return to_pixels(image, name), label


def stack_images(images: Sequence[Tensor], *, channels: int | None = None) -> Tensor:
    """Stack images of one size; grey ones among colour ones become RGB.

    Args:
        images: each `(C, H, W)`, C of 1 or 3, at least one.
        channels: the number to give; None takes the largest.

    Returns:
        `(N, C, H, W)`.

    Raises:
        InvalidValueError: where sizes differ, or colour images are to be given as grey.

    Examples:
        >>> stack_images([torch.zeros(1, 2, 2), torch.zeros(3, 2, 2)]).shape
        torch.Size([2, 3, 2, 2])
    """
    most = max(len(image) for image in images)
    channels = channels or most
    size = images[0].shape[1:]
    for row, image in enumerate(images):
        if image.shape[1:] != size or len(image) > channels:
            expected = (channels, *size)
            raise InvalidValueError(f"image {row}: expected {expected}, got {tuple(image.shape)}")
    return torch.stack([image.expand(channels, *size) for image in images])


def _check_map_style(dataset: object) -> None:
    if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
        expected = "a map-style data set with __len__ and __getitem__"
        raise InvalidValueError(f"dataset: expected {expected}, got {type(dataset).__name__}")


def _class_names(dataset: object) -> list[str] | None:
    classes = getattr(dataset, "classes", None)
    return [str(name) for name in classes] if isinstance(classes, list | tuple) else None
