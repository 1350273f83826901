"""What is to be indexed, one image or track at a time, read only where it is new."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from torch import Tensor

from imprint.data import AudioOptions
from imprint.errors import InvalidValueError
from imprint.searching.filters import Kind
from imprint.searching.rows import Value
from imprint.types import DataPart

__all__ = ["LINK", "Entries", "Entry", "part_entries"]

Shape = tuple[int, int, int]

LINK = "expected what lies within the folder, got a link out of it"


class Entry(NamedTuple):
    """What is to be indexed.

    Attributes:
        id: its name, once in an index.
        path: where it lies.
        label: its class; None for none.
        hashed: gives a hash of its content.
        read: takes channels, height and width; gives a hash of the content and the image,
            `(C, H, W)`, uint8.
        metadata: what its source says of it, by column.
    """

    id: str
    path: str
    label: str | None
    hashed: Callable[[], str]
    read: Callable[[Shape], tuple[str, Tensor]]
    metadata: Mapping[str, Value | None] = {}


class Entries(NamedTuple):
    """What is to be indexed.

    Attributes:
        total: how many.
        shape: of their images: channels, height and width.
        each: the entries, made as they are asked for.
        refused: name and reason of each that is known to be none.
        audio: how they became images, where they are of sound.
        kinds: what the columns hold that their source has of them.
    """

    total: int
    shape: Shape
    each: Iterator[Entry]
    refused: list[tuple[str, str]]
    audio: AudioOptions | None = None
    kinds: Mapping[str, Kind] = {}


def part_entries(source: str, name: str, part: DataPart) -> Iterator[Entry]:
    """Say how the images of a data set's part are to be indexed.

    Args:
        source: the set's name.
        name: the part's.
        part: its images.

    Yields:
        The entries: their ids are paths where the set has any, else `part/number`.

    Examples:
        >>> import torch
        >>> from imprint.types import ImageSet
        >>> images = ImageSet(torch.zeros(2, 1, 2, 2).byte(), torch.tensor([0, 1]), ("a", "b"))
        >>> [entry[:3] for entry in part_entries("set", "all", DataPart(images))]
        [('all/0', 'set#all/0', 'a'), ('all/1', 'set#all/1', 'b')]
    """
    images, labels = part.images.images, part.images.labels
    for row in range(len(images)):
        own = part.paths[row] if part.paths else f"{name}/{row}"
        label = part.images.class_names[int(labels[row])]
        hashed, read = partial(_hash, images[row]), partial(_read, images[row])
        yield Entry(own, f"{source}#{name}/{row}", label, hashed, read)


def _hash(image: Tensor) -> str:
    return hashlib.sha256(image.contiguous().numpy().data).hexdigest()


def _read(image: Tensor, shape: Shape) -> tuple[str, Tensor]:
    if tuple(image.shape) != shape:
        raise InvalidValueError(f"data: expected images {shape}, got {tuple(image.shape)}")
    return _hash(image), image
