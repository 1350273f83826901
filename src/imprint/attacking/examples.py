"""A few images on their way to being taken for something else."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from imprint.attacking.settings import AttackSettings
from imprint.robustness import pixels_of, probabilities_of
from imprint.taps import device_of
from imprint.training import spread_rows
from imprint.types import ImageSet

__all__ = ["Answer", "Example", "Shot", "examples_of"]

MOST_SHOTS = 6
"""Epsilons that an example is shown at."""


class Answer(NamedTuple):
    """What a network takes an image for.

    Attributes:
        label: the most probable class.
        probability: of it.
    """

    label: int
    probability: float


class Shot(NamedTuple):
    """An image as an attack made it.

    Attributes:
        epsilon: the largest change of a pixel.
        image: `(C, H, W)`, floats in [0, 1], on the CPU.
        answer: of the network that it was made on.
    """

    epsilon: float
    image: Tensor
    answer: Answer


class Example(NamedTuple):
    """An image, and what an attack makes of it.

    Attributes:
        made_on: the network's name.
        row: of the image, in the data.
        label: its class.
        image: `(C, H, W)`, floats in [0, 1].
        answer: of the network before.
        shots: by growing epsilon.
    """

    made_on: str
    row: int
    label: int
    image: Tensor
    answer: Answer
    shots: tuple[Shot, ...]


def examples_of(
    name: str, model: nn.Module, part: ImageSet, right: Tensor, settings: AttackSettings
) -> list[Example]:
    """Attack a few images that a network answers rightly, of as many classes as can be.

    Args:
        name: of the network.
        model: takes pixels in [0, 1].
        part: the images.
        right: `(N,)`, bool: which ones it answers rightly.
        settings: how, and how many.

    Returns:
        The examples; none where nothing is answered rightly.

    Examples:
        >>> images = torch.tensor([[255, 0], [0, 255]], dtype=torch.uint8).view(2, 2, 1, 1)
        >>> part = ImageSet(images, torch.tensor([0, 1]), ("first", "second"))
        >>> settings = AttackSettings(epsilons=(0.75,))
        >>> found = examples_of("a", nn.Flatten(), part, torch.tensor([True, True]), settings)
        >>> [(example.label, example.shots[0].answer.label) for example in found]
        [(0, 1), (1, 0)]
    """
    candidates = right.nonzero()[:, 0]
    if not len(candidates):
        return []
    rows = candidates[spread_rows(part.labels[candidates], settings.examples)]
    device = device_of(model)
    pixels, labels = pixels_of(part.images[rows]).to(device), part.labels[rows].to(device)
    before = _answers(model, pixels)
    made = [
        (each, settings.maker()(model, pixels, labels, epsilon=each)) for each in _shown(settings)
    ]
    after = [(epsilon, images.cpu(), _answers(model, images)) for epsilon, images in made]
    return [
        Example(
            name,
            int(row),
            int(part.labels[row]),
            pixels[k].cpu(),
            before[k],
            tuple(Shot(epsilon, images[k], answers[k]) for epsilon, images, answers in after),
        )
        for k, row in enumerate(rows)
    ]


def _shown(settings: AttackSettings) -> list[float]:
    """Epsilons above zero, of many some that are spread evenly."""
    epsilons = sorted(each for each in settings.epsilons if each > 0)
    if not epsilons:
        return []
    places = torch.linspace(0, len(epsilons) - 1, min(MOST_SHOTS, len(epsilons)))
    return [epsilons[int(place)] for place in places.round()]


def _answers(model: nn.Module, images: Tensor) -> list[Answer]:
    most = probabilities_of(model, images).max(1)
    return [
        Answer(int(label), float(value))
        for value, label in zip(most.values, most.indices, strict=True)
    ]
