"""Faults planted in a data set: what a look at it has to find."""

from dataclasses import dataclass

import torch
from torch import Tensor

from imprint.types import DataSplits, ImageSet

__all__ = ["Planted", "plant"]


@dataclass
class Planted:
    """A data set and the rows, counted through train and test, of what was planted in it."""

    splits: DataSplits
    wrong: set[int]
    equal: set[tuple[int, int]]
    near: set[tuple[int, int]]
    noise: set[int]
    leaks: set[tuple[int, int]]


def moved(image: Tensor, down: int, across: int) -> Tensor:
    """Shift an image; what comes in is black."""
    height, width = image.shape[1:]
    shifted = torch.zeros_like(image)
    rows, columns = (slice(max(0, n), None) for n in (down, across))
    source = image[
        :, max(0, -down) : height - max(0, down), max(0, -across) : width - max(0, across)
    ]
    shifted[:, rows, columns][:, : source.shape[1], : source.shape[2]] = source
    return shifted


def altered(image: Tensor, kind: int, draw: torch.Generator) -> Tensor:
    """Nearly the same image: shifted, a little noisy, or of another brightness."""
    pixels = image.float()
    if kind == 0:
        down, across = ((-2, 1), (1, 0), (0, -1), (2, 2))[torch.randint(4, (), generator=draw)]
        return moved(image, down, across)
    if kind == 1:
        pixels = pixels + 10 * torch.randn(pixels.shape, generator=draw)
    else:
        pixels = pixels * (0.75 + 0.4 * torch.rand((), generator=draw)) + 8
    return pixels.round().clamp(0, 255).to(torch.uint8)


def plant(splits: DataSplits, *, seed: int) -> Planted:
    """Plant 300 wrong labels, 100 equal and 100 nearly equal images, 50 of noise and 20 leaks.

    Args:
        splits: of ten classes, grey, with at least 770 training images.
        seed: of all that is drawn.

    Returns:
        The data, and where the faults are.
    """
    draw = torch.Generator().manual_seed(seed)
    train, test = splits.train.images.clone(), splits.test.images.clone()
    labels, test_labels = splits.train.labels.clone(), splits.test.labels.clone()
    rows = torch.randperm(len(train), generator=draw)
    wrong, first, second, base, copy, noise, leaked = rows[:770].split(
        [300, 100, 100, 100, 100, 50, 20]
    )
    labels[wrong] = (labels[wrong] + torch.randint(1, 10, (300,), generator=draw)) % 10
    train[second], labels[second] = train[first], labels[first]
    for kind, (source, target) in enumerate(zip(base.tolist(), copy.tolist(), strict=True)):
        train[target] = altered(train[source], kind % 3, draw)
        labels[target] = labels[source]
    train[noise] = torch.randint(256, train[noise].shape, generator=draw, dtype=torch.uint8)
    places = torch.randperm(len(test), generator=draw)[:20]
    test[places], test_labels[places] = train[leaked], labels[leaked]
    names = splits.train.class_names
    return Planted(
        DataSplits("planted", ImageSet(train, labels, names), ImageSet(test, test_labels, names)),
        wrong=set(wrong.tolist()),
        equal=_pairs(first, second),
        near=_pairs(base, copy),
        noise=set(noise.tolist()),
        leaks=_pairs(leaked, places + len(train)),
    )


def _pairs(first: Tensor, second: Tensor) -> set[tuple[int, int]]:
    return {(min(pair), max(pair)) for pair in zip(first.tolist(), second.tolist(), strict=True)}
