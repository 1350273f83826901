"""Small frozen types that cross module borders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor

from imprint.errors import InvalidValueError

__all__ = [
    "DataPart",
    "DataSplits",
    "ImageSet",
    "Match",
    "Nearest",
    "Normalisation",
    "Unreadable",
]


@dataclass(frozen=True)
class ImageSet:
    """Images with their labels; also a map-style data set of `(image, label)`.

    Args:
        images: `(N, C, H, W)`, uint8, C of 1 or 3, or of 2 for sound (log-mel and chroma); in
            memory, or mapped from a file. Or floats of any C, such as feature maps.
        labels: `(N,)`, int64, each in `0 … K-1`, an index into `class_names`.
        class_names: the K names, in the order of their labels.
        normalisation: what to normalise with: of bytes, None for that of the training images; of
            floats, in their own units, None for as they are.
        groups: `(N,)`, int64, which rows belong together, as the excerpts of one track do; None
            where each stands alone.

    Raises:
        InvalidValueError: where shapes, types or the range of the labels do not fit.

    Examples:
        >>> images = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
        >>> len(ImageSet(images, torch.tensor([0, 1]), ("cat", "dog")))
        2
    """

    images: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    normalisation: "Normalisation | None" = None
    groups: Tensor | None = None

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.ndim != 4 or not (self.floats or images.dtype == torch.uint8):
            got = f"{tuple(images.shape)} of {images.dtype}"
            raise InvalidValueError(f"images: expected (N, C, H, W) of torch.uint8, got {got}")
        if labels.shape != images.shape[:1] or labels.dtype != torch.int64:
            got = f"{tuple(labels.shape)} of {labels.dtype}"
            raise InvalidValueError(f"labels: expected ({len(images)},) of torch.int64, got {got}")
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(self.class_names):
            got = f"{int(labels.min())} … {int(labels.max())}"
            expected = f"0 … {len(self.class_names) - 1}"
            raise InvalidValueError(f"labels: expected values in {expected}, got {got}")
        if self.groups is not None and (
            self.groups.shape != labels.shape or self.groups.dtype != torch.int64
        ):
            got = f"{tuple(self.groups.shape)} of {self.groups.dtype}"
            raise InvalidValueError(f"groups: expected ({len(images)},) of torch.int64, got {got}")

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        return self.images[row], int(self.labels[row])

    def taken(self, rows: Tensor) -> "ImageSet":
        """Take some of the images, with all that is known of them.

        Args:
            rows: `(M,)`, int64, or `(N,)`, bool.

        Returns:
            A set of these.
        """
        groups = None if self.groups is None else self.groups[rows]
        return replace(self, images=self.images[rows], labels=self.labels[rows], groups=groups)

    @property
    def floats(self) -> bool:
        """Whether the images are floats, which nothing scales to bytes."""
        return self.images.is_floating_point()


class Normalisation(NamedTuple):
    """Mean and standard deviation of each channel, of pixels scaled to `[0, 1]`."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class DataSplits:
    """A data set as the commands use it: what to train on and what to test on.

    Args:
        name: what the user called it (`mnist`, a path).
        train: the training images; floats of another size than the test images' are brought to it
            as a batch is made, their one channel repeated.
        test: the test images, of the same classes, in the same order.
        augmentations: names of the augmentations that fit this set (`crop`, `flip`).
        beside: more parts to judge on once training has ended, by name.

    Raises:
        InvalidValueError: where a part is empty, or the two differ in classes or image shape.

    Examples:
        >>> images = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
        >>> pair = ImageSet(images, torch.tensor([0, 1]), ("cat", "dog"))
        >>> DataSplits("pets", pair, pair).num_classes
        2
    """

    name: str
    train: ImageSet
    test: ImageSet
    augmentations: tuple[str, ...] = ()
    beside: Mapping[str, ImageSet] = field(default_factory=dict)

    def __post_init__(self) -> None:
        train, test = self.train, self.test
        for part, images in (("train", train), ("test", test)):
            if not len(images):
                raise InvalidValueError(f"{part}: expected at least one image, got none")
        if test.class_names != train.class_names:
            expected = f"the {len(train.class_names)} classes of train, in the same order"
            names = ", ".join(test.class_names[:12])
            raise InvalidValueError(f"test: expected {expected}; got {names}")
        if test.images.shape[1:] != train.images.shape[1:] and not train.floats:
            like, got = (tuple(part.images.shape[1:]) for part in (train, test))
            raise InvalidValueError(f"test: expected images {like} as train has, got {got}")

    @property
    def num_classes(self) -> int:
        """The number of classes K."""
        return len(self.train.class_names)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of what the network takes: the test images'."""
        channels, height, width = self.test.images.shape[1:]
        return channels, height, width


class Unreadable(NamedTuple):
    """An image that could not be read.

    Attributes:
        path: its file, or the file and row that hold it.
        label: an index into the class names.
        reason: what is wrong with it.
    """

    path: str
    label: int
    reason: str


@dataclass(frozen=True)
class DataPart:
    """One part of a data set as its source has it: no split is drawn, what is broken is listed.

    Args:
        images: what could be read, all of one size.
        paths: where each image comes from; empty where the source has no names.
        unreadable: what could not be read.
        forms: how many images have each height, width (in pixels) and Pillow mode; empty where the
            source has one form by its nature.
        metadata: what else the source says of each image, by the name of the column.

    Raises:
        InvalidValueError: where there are paths, or a column, and not one entry for each image.

    Examples:
        >>> images = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
        >>> len(DataPart(ImageSet(images, torch.tensor([0, 1]), ("cat", "dog"))).images)
        2
    """

    images: ImageSet
    paths: Sequence[str] = ()
    unreadable: Sequence[Unreadable] = ()
    forms: Mapping[tuple[int, int, str], int] = field(default_factory=dict)
    metadata: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        columns = {"paths": self.paths, **self.metadata} if self.paths else self.metadata
        for name, column in columns.items():
            if len(column) != len(self.images):
                expected = f"{len(self.images)}, one for each image"
                raise InvalidValueError(f"{name}: expected {expected}, got {len(column)}")


class Match(NamedTuple):
    """What a memory says of N samples.

    Attributes:
        familiarity: `(N,)`, similarity to the prototype of the sample's own class, in [-1, 1].
        nearest: `(N,)`, int64, the class whose prototype is most similar.
        hit: `(N,)`, bool, the memory's decision.
    """

    familiarity: Tensor
    nearest: Tensor
    hit: Tensor


class Nearest(NamedTuple):
    """The rows of a gallery that are closest to each query.

    Attributes:
        similarities: `(N, k)`, most similar first.
        indices: `(N, k)`, int64, rows of the gallery.
    """

    similarities: Tensor
    indices: Tensor
