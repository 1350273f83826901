"""The images that a network is looked at with: as bytes to show, as floats to run on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from imprint.data import from_dataset, normalisation, normalise
from imprint.errors import InvalidValueError
from imprint.training import spread_rows
from imprint.types import ImageSet, Normalisation

__all__ = ["Subject", "subject_of"]


@dataclass(frozen=True, eq=False)
class Subject:
    """Images to look with.

    Args:
        pixels: `(N, C, H, W)`, uint8 to be normalised, or floats as the model takes them.
        scale: of bytes; None for floats.
        labels: `(N,)`, int64, or None.
        class_names: of the model's answers, in order; empty where not known.
        names: of the images; empty for their numbers.

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

    def note(self, row: int) -> str:
        """Name an image: its class where it is known, and where it comes from."""
        own = self.names[row] if self.names else f"image {row}"
        if self.labels is None:
            return own
        return f"{self.class_name(int(self.labels[row]))}, {own}"

    def class_name(self, label: int) -> str:
        """Name a class; by its number where names are not known."""
        known = 0 <= label < len(self.class_names)
        return self.class_names[label] if known else f"class {label}"


def subject_of(
    images: Any, scale: Normalisation | None = None, class_names: Sequence[str] = ()
) -> Subject:
    """Bring what a user may call images to a subject.

    Args:
        images: an `ImageSet`; `(N, C, H, W)`, bytes or floats, the latter as the model takes them;
            or any map-style data set of `(image, label)`, which is taken into memory.
        scale: of bytes; None measures it on these images.
        class_names: of tensors.

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
        if images.is_floating_point():
            return Subject(images.detach().cpu(), class_names=tuple(class_names))
        return Subject(images, scale or normalisation(images), class_names=tuple(class_names))
    found = images if isinstance(images, ImageSet) else from_dataset(images, least=1)
    if not len(found):
        raise InvalidValueError("images: expected at least one, got none")
    return Subject(
        found.images, scale or normalisation(found.images), found.labels, found.class_names
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
