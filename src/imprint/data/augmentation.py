"""Augmentations of whole batches: pure functions with a passed generator."""

from collections.abc import Iterable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.sound_augmentation import mask_spans, roll_time, shift_level

__all__ = [
    "AUGMENTATIONS",
    "Augmentation",
    "augment",
    "check_augmentations",
    "random_crop",
    "random_flip",
    "random_level",
    "random_mask",
]

LEVEL = 6.0
"""Decibels of the largest shift of a sound's level."""


class Augmentation(Protocol):
    """What an augmentation looks like: a batch in, a batch of the same shape and type out."""

    def __call__(self, images: Tensor, *, generator: torch.Generator) -> Tensor:
        """Augment a batch `(N, C, H, W)`, each image by draws of its own from the generator."""
        ...


def random_crop(
    images: Tensor, *, generator: torch.Generator, padding: int | None = None
) -> Tensor:
    """Shift each image by its own random number of pixels; what comes in from outside is zero.

    The same as to pad by `padding` and to crop at a random place.

    Args:
        images: `(N, C, H, W)`, any type.
        generator: draws the shifts, uniformly.
        padding: the largest shift in pixels, up, down, left and right; None takes an eighth of
            the shorter side: 3 for MNIST, whose digits have a border of 4, and 4 for CIFAR-10.

    Returns:
        the same shape, type and device.

    Raises:
        InvalidValueError: for another number of dimensions or a negative padding.

    Source: He et al. (2016), "Deep residual learning…", section 4.2.

    Examples:
        >>> images = torch.arange(9).view(1, 1, 3, 3)
        >>> random_crop(images, generator=torch.Generator().manual_seed(1), padding=1)[0, 0]
        tensor([[0, 1, 2],
                [3, 4, 5],
                [6, 7, 8]])
    """
    _check_batch(images)
    height, width = images.shape[2:]
    padding = min(height, width) // 8 if padding is None else padding
    if padding < 0:
        raise InvalidValueError(f"padding: expected at least 0 pixels, got {padding}")
    if padding == 0 or not len(images):
        return images
    span = 2 * padding + 1
    draws = torch.randint(span**2, (len(images),), generator=generator, device=generator.device)
    down, right = draws.to(images.device) // span, draws.to(images.device) % span
    return _crop(F.pad(images, (padding,) * 4).contiguous(), down, right, height, width)


def _crop(padded: Tensor, down: Tensor, right: Tensor, height: int, width: int) -> Tensor:
    """Cut a window out of each image, the corner of which is given.

    A window's pixels, and the few between its rows, are one stretch of the memory. All stretches
    are copied whole, then the rows are picked out of them: 0.12 ms for 256 images of 28x28, 0.21 ms
    for 3x32x32, on one thread. Indexing pixel by pixel takes 0.28 and 0.89 ms; kornia's crop 2.9
    and 3.1 ms, and it draws from torch's global generator.
    """
    count, channels, full_height, full_width = padded.shape
    image, plane = padded[0].numel(), full_height * full_width
    length = (channels - 1) * plane + (height - 1) * full_width + width
    stretches = padded.as_strided((padded.numel() - length + 1, length), (1, 1))
    start = torch.arange(0, count * image, image, device=padded.device) + down * full_width + right
    windows = stretches.index_select(0, start)
    strides = (length, plane, full_width, 1)
    return windows.as_strided((count, channels, height, width), strides).contiguous()


def random_flip(images: Tensor, *, generator: torch.Generator, share: float = 0.5) -> Tensor:
    """Mirror a random share of the images, left to right.

    Args:
        images: `(N, C, H, W)`, any type.
        generator: draws for each image whether it is mirrored.
        share: the probability of that, in [0, 1].

    Returns:
        the same shape, type and device.

    Raises:
        InvalidValueError: for another number of dimensions or a share out of range.

    Examples:
        >>> images = torch.arange(3).view(1, 1, 1, 3)
        >>> random_flip(images, generator=torch.Generator(), share=1.0).flatten()
        tensor([2, 1, 0])
    """
    _check_batch(images)
    if not 0 <= share <= 1:
        raise InvalidValueError(f"share: expected a probability in [0, 1], got {share}")
    drawn = torch.rand(len(images), generator=generator, device=generator.device) < share
    rows = drawn.to(images.device).nonzero()[:, 0]
    return images.index_copy(0, rows, images.index_select(0, rows).flip(3))


def random_level(images: Tensor, *, generator: torch.Generator) -> Tensor:
    """Make sounds louder or quieter by up to 6 dB above the floor of their images.

    Args:
        images: `(N, 2, H, T)`, log-mel and chroma, floats in [0, 1] or bytes.
        generator: draws the shifts.

    Returns:
        the same shape, type and device.

    Raises:
        InvalidValueError: for another number of channels.

    Examples:
        >>> sounds = torch.full((1, 2, 12, 4), 100, dtype=torch.uint8)
        >>> random_level(sounds, generator=torch.Generator().manual_seed(1))[0, :, 0, 0]
        tensor([110, 100], dtype=torch.uint8)
    """
    return shift_level(images, LEVEL, generator=generator)


def random_mask(images: Tensor, *, generator: torch.Generator) -> Tensor:
    """Blank up to a sixth of the rows, and of the columns, of each image, side by side.

    Args:
        images: `(N, C, H, W)`, any type; of sound, rows are frequencies and columns time.
        generator: draws which.

    Returns:
        the same shape, type and device.

    Raises:
        InvalidValueError: for another number of dimensions.

    Source: Park et al. (2019), "SpecAugment".

    Examples:
        >>> random_mask(torch.ones(2, 2, 64, 90), generator=torch.Generator()).shape
        torch.Size([2, 2, 64, 90])
    """
    _check_batch(images)
    bands, frames = (side // 6 for side in images.shape[2:])
    return mask_spans(images, bands=bands, frames=frames, generator=generator)


AUGMENTATIONS: dict[str, Augmentation] = {
    "crop": random_crop,
    "flip": random_flip,
    "roll": roll_time,
    "level": random_level,
    "mask": random_mask,
}
"""All augmentations by name; a new one is registered here."""


def augment(images: Tensor, names: Iterable[str], *, generator: torch.Generator) -> Tensor:
    """Apply augmentations one after the other.

    Args:
        images: `(N, C, H, W)`, any type.
        names: keys of `AUGMENTATIONS`.
        generator: of all of them.

    Returns:
        the same shape, type and device.

    Raises:
        InvalidValueError: for an unknown name.

    Examples:
        >>> augment(torch.zeros(2, 3, 32, 32), ["crop", "flip"], generator=torch.Generator()).shape
        torch.Size([2, 3, 32, 32])
    """
    for name in check_augmentations(names):
        images = AUGMENTATIONS[name](images, generator=generator)
    return images


def check_augmentations(names: Iterable[str]) -> tuple[str, ...]:
    """Check names of augmentations.

    Args:
        names: to be keys of `AUGMENTATIONS`.

    Returns:
        the names.

    Raises:
        InvalidValueError: for an unknown one.

    Examples:
        >>> check_augmentations(["crop"])
        ('crop',)
    """
    names = (names,) if isinstance(names, str) else tuple(names)
    for name in names:
        if name not in AUGMENTATIONS:
            known = ", ".join(AUGMENTATIONS)
            raise InvalidValueError(f"augmentations: expected some of {known}, got {name!r}")
    return names


def _check_batch(images: Tensor) -> None:
    if images.ndim != 4:
        raise InvalidValueError(f"images: expected (N, C, H, W), got {tuple(images.shape)}")
