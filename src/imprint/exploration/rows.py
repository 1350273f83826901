"""The parts of a data set as one sequence of rows."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from imprint.data import from_dataset
from imprint.errors import InvalidValueError
from imprint.types import DataPart, DataSplits, ImageSet

__all__ = ["Chunk", "Rows", "parts_of"]

AT_ONCE = 4096
"""Images worked on at a time."""


class Chunk(NamedTuple):
    """Some rows in order, all of one part."""

    part: str
    rows: Tensor
    images: Tensor
    labels: Tensor


def parts_of(data: Any) -> dict[str, DataPart]:
    """Bring what a user may call a data set to its parts.

    Args:
        data: parts by name; `DataSplits`; an `ImageSet`; or any map-style data set of
            `(image, label)`, which is taken into memory.

    Returns:
        the parts by name, of the same classes and image shape; the first is the one that the others
        are held against.

    Raises:
        InvalidValueError: where there is no image, or the parts do not fit each other.

    Examples:
        >>> images = ImageSet(torch.zeros(1, 1, 2, 2, dtype=torch.uint8), torch.tensor([0]), ("a",))
        >>> list(parts_of(images))
        ['all']
    """
    if isinstance(data, DataSplits):
        data = {"train": DataPart(data.train), "test": DataPart(data.test)}
    if isinstance(data, ImageSet):
        data = {"all": DataPart(data)}
    if not isinstance(data, Mapping):
        data = {"all": DataPart(from_dataset(data, least=1))}
    parts = dict(data)
    first = next(iter(parts.values()), None)
    if first is None or not len(first.images):
        raise InvalidValueError("data: expected at least one image in its first part, got none")
    like = (first.images.class_names, first.images.images.shape[1:])
    for name, part in parts.items():
        got = (part.images.class_names, part.images.images.shape[1:])
        if got != like:
            expected = "the classes and image shape of the first part"
            raise InvalidValueError(f"data, {name}: expected {expected}, got {tuple(got[1])}")
    return parts


class Rows:
    """The rows of all parts, numbered through.

    Args:
        parts: by name.

    Attributes:
        names: of the parts.
        labels: `(N,)`, int64.
        part: `(N,)`, int64, the part of each row, an index into `names`.
        index: `(N,)`, int64, its place within the part.

    Examples:
        >>> images = ImageSet(torch.zeros(2, 1, 2, 2).byte(), torch.tensor([0, 0]), ("a",))
        >>> Rows({"train": DataPart(images), "test": DataPart(images)}).index
        tensor([0, 1, 0, 1])
    """

    def __init__(self, parts: Mapping[str, DataPart]) -> None:
        self.names = tuple(parts)
        self._images = [part.images.images for part in parts.values()]
        sizes = torch.tensor([len(images) for images in self._images])
        self._starts = sizes.cumsum(0) - sizes
        self.labels = torch.cat([part.images.labels for part in parts.values()])
        self.part = torch.arange(len(sizes)).repeat_interleave(sizes)
        self.index = torch.arange(len(self.labels)) - self._starts[self.part]

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, rows: Tensor) -> Tensor:
        """Give the images `(B, C, H, W)`, uint8, of rows `(B,)`, int64, in any order."""
        if len(self._images) == 1:
            return self._images[0][rows]
        images = self._images[0].new_empty(len(rows), *self._images[0].shape[1:])
        for part, source in enumerate(self._images):
            own = (self.part[rows] == part).nonzero()[:, 0]
            images[own] = source[self.index[rows[own]]]
        return images

    def collect(self, measure: Callable[[Chunk], tuple[Tensor, ...]]) -> list[Tensor]:
        """Measure all rows, some at a time.

        What is measured is written where it stays: small tensors that are kept among large ones
        that go would keep the allocator from giving the large ones' memory back.

        Args:
            measure: gives for a chunk some tensors, each with one entry a row.

        Returns:
            these tensors, of all rows.
        """
        columns: list[Tensor] = []
        for chunk in self.chunks():
            found = measure(chunk)
            columns = columns or [own.new_empty(len(self), *own.shape[1:]) for own in found]
            for column, own in zip(columns, found, strict=True):
                column[chunk.rows[0] : chunk.rows[-1] + 1] = own
        return columns

    def chunks(self) -> Iterator[Chunk]:
        """Give all rows in order."""
        for name, images, start in zip(self.names, self._images, self._starts, strict=True):
            for rows in torch.split(torch.arange(len(images)), AT_ONCE):
                place = rows + start
                yield Chunk(name, place, images[rows[0] : rows[-1] + 1], self.labels[place])
