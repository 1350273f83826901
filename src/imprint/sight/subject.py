"""The images that a network is looked at with: as bytes to show, as floats to run on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from imprint.data import from_dataset, normalisation, normalise
from imprint.errors import InvalidValueError
from imprint.training import spread_rows
from imprint.types import DataPart, ImageSet, Normalisation, Unreadable

__all__ = ["Subject", "subject_of"]


@dataclass(frozen=True, eq=False)
class Subject:
    """Images to look with.

    Args:
        pixels: `(N, C, H, W)`, uint8 to be normalised, or floats as the model takes them.
        scale: of bytes; None for floats.
        labels: `(N,)`, int64, or None.
        class_names: of the labels, in order; empty where not known.
        names: of the images; empty for their places.
        places: of the images among all that there were; empty for their numbers.
        total: how many there were; None for these.
        unreadable: what there was besides, and could not be read.

    Examples:
        >>> subject = Subject(torch.zeros(3, 1, 4, 4, dtype=torch.uint8), Normalisation((0,), (1,)))
        >>> [len(batch) for batch in subject.batches(2)]
        [2, 1]
    """

    pixels: Tensor
    scale: Normalisation | None = None
    labels: Tensor | None = None
    class_names: tuple[str, ...] = ()
    names: Sequence[str] = ()
    places: Sequence[int] = ()
    total: int | None = None
    unreadable: Sequence[Unreadable] = ()

    def __len__(self) -> int:
        return len(self.pixels)

    def taken(self, rows: Tensor | slice) -> Tensor:
        """Give images `(M, C, H, W)`, floats, as the model takes them."""
        return self.pixels[rows] if self.scale is None else normalise(self.pixels[rows], self.scale)

    def batches(self, size: int) -> Iterator[Tensor]:
        """Give all images in order, as the model takes them, some at a time."""
        for start in range(0, len(self), size):
            yield self.taken(slice(start, start + size))

    def shown(self, rows: Tensor | slice) -> Tensor:
        """Give images `(M, C, H, W)`, uint8, C of 1 or 3, to look at."""
        pixels = self.pixels[rows]
        if pixels.is_floating_point():
            pixels = _stretched(pixels)
        if pixels.shape[1] in (1, 3):
            return pixels
        return pixels.float().mean(1, keepdim=True).round().to(torch.uint8)

    def chosen(self, count: int) -> list[int]:
        """Choose rows, of as many classes as can be."""
        labels = torch.zeros(len(self), dtype=torch.int64) if self.labels is None else self.labels
        return [int(row) for row in spread_rows(labels, count)]

    def place(self, row: int) -> int:
        """Give an image's place among all that there were."""
        return self.places[row] if self.places else row

    def note(self, row: int) -> str:
        """Name an image: where it comes from, and its class where that is known."""
        own, label = self.names[row] if self.names else f"image {self.place(row)}", self.label(row)
        return own if label is None else f"{own} ({label})"

    def label(self, row: int) -> str | None:
        """Name an image's class, where it is known; by its number where names are not."""
        if self.labels is None:
            return None
        label = int(self.labels[row])
        return self.class_names[label] if label < len(self.class_names) else f"class {label}"


def subject_of(
    images: Any, scale: Normalisation | None = None, *, most: int | None = None
) -> Subject:
    """Bring what a user may call images to a subject.

    Args:
        images: an `ImageSet`; a `DataPart`; `(N, C, H, W)`, bytes or floats, the latter as the
            model takes them; or any map-style data set of `(image, label)`, which is taken into
            memory.
        scale: of bytes; None measures it on the images that are taken.
        most: how many are taken, at most, spread evenly over all; None for all.

    Returns:
        The subject.

    Raises:
        InvalidValueError: for what is none of these, or empty.

    Examples:
        >>> subject_of(torch.zeros(2, 1, 4, 4)).scale is None
        True
    """
    if isinstance(images, Tensor):
        _check_tensor(images)
        return _taken(Subject(images.detach().cpu()), scale, most)
    part = images if isinstance(images, DataPart) else DataPart(_image_set(images))
    found = part.images
    if not len(found):
        raise InvalidValueError("images: expected at least one, got none")
    whole = Subject(
        found.images, None, found.labels, found.class_names, part.paths, unreadable=part.unreadable
    )
    return _taken(whole, scale, most)


def _image_set(images: Any) -> ImageSet:
    return images if isinstance(images, ImageSet) else from_dataset(images, least=1)


def _taken(whole: Subject, scale: Normalisation | None, most: int | None) -> Subject:
    """Some of a subject's images, with what brings bytes to the model."""
    count = len(whole)
    rows = torch.linspace(0, count - 1, min(count, most or count), dtype=torch.float64)
    places = rows.round().long()
    pixels = whole.pixels if len(places) == count else whole.pixels[places]
    bytes_scale = None if pixels.is_floating_point() else scale or normalisation(pixels)
    return replace(
        whole,
        pixels=pixels,
        scale=bytes_scale,
        labels=None if whole.labels is None else whole.labels[places],
        names=[whole.names[place] for place in places.tolist()] if whole.names else (),
        places=places.tolist(),
        total=count,
    )


def _check_tensor(images: Tensor) -> None:
    fits = images.is_floating_point() or images.dtype == torch.uint8
    if not fits or images.ndim != 4 or not images.numel():
        got = f"{tuple(images.shape)} of {images.dtype}"
        raise InvalidValueError(f"images: expected bytes or floats (N, C, H, W), got {got}")


def _stretched(pixels: Tensor) -> Tensor:
    """Floats to bytes, each image from its least to its largest value."""
    clean = pixels.float().nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
    low, high = clean.amin((1, 2, 3), keepdim=True), clean.amax((1, 2, 3), keepdim=True)
    return ((clean - low) * (255 / (high - low).clamp_min(1e-12))).round().to(torch.uint8)
