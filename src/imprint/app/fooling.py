"""An image that is made to fool one network, judged by that one and another."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.report import signed_colours
from imprint.robustness import PGD_STEPS, fgsm, on_pixels, pgd, pixels_of, probabilities_of
from imprint.training import Trained

__all__ = ["ATTACKS", "Fooled", "Guess", "answers_on", "change_picture", "check_pair", "fool"]

ATTACKS = ("fgsm", "pgd")

Attack = Literal["fgsm", "pgd"]

TOP = 5
"""Classes of an answer that are shown."""


class Guess(NamedTuple):
    """What a network takes pixels for.

    Attributes:
        label: the class's number.
        name: of the class.
        probability: of it.
    """

    label: int
    name: str
    probability: float


class Fooled(NamedTuple):
    """An image, and what an attack made of it.

    Attributes:
        image: `(C, H, W)`, floats in [0, 1].
        made: likewise, after the attack.
    """

    image: Tensor
    made: Tensor

    @property
    def change(self) -> Tensor:
        """What was added."""
        return self.made - self.image


def fool(trained: Trained, image: Tensor, label: int, *, epsilon: float, attack: str) -> Fooled:
    """Make an image that the network takes for something else, if it can be done so near.

    Args:
        trained: whom to fool; it is left as it was.
        image: `(C, H, W)`, uint8.
        label: what it truly is.
        epsilon: the largest change of a pixel, in [0, 1].
        attack: `fgsm` or `pgd`.

    Returns:
        The image and what was made of it.

    Raises:
        InvalidValueError: for another attack, an epsilon out of range, or an image of another
            shape.
        MissingExtraError: without captum.

    Examples:
        >>> from imprint.types import Normalisation
        >>> scale = Normalisation((0.0,), (1.0,))
        >>> trained = Trained(torch.nn.Flatten(), None, scale, (1, 1, 2), ("dark", "light"))
        >>> image = torch.tensor([[[0, 255]]], dtype=torch.uint8)
        >>> fool(trained, image, 1, epsilon=0.25, attack="fgsm").made.flatten()
        tensor([0.2500, 0.7500])
    """
    if attack not in ATTACKS:
        raise InvalidValueError(f"attack: expected {' or '.join(ATTACKS)}, got {attack!r}")
    if tuple(image.shape) != trained.shape:
        expected = f"{trained.shape}, as the network takes them"
        raise InvalidValueError(f"image: expected {expected}; got {tuple(image.shape)}")
    model = on_pixels(trained.model, trained.normalisation)
    pixels, labels = pixels_of(image[None]), torch.tensor([label])
    if attack == "fgsm":
        made = fgsm(model, pixels, labels, epsilon=epsilon)
    else:
        made = pgd(model, pixels, labels, epsilon=epsilon, steps=PGD_STEPS)
    return Fooled(pixels[0], made[0].cpu())


def answers_on(trained: Trained, image: Tensor) -> list[Guess]:
    """Ask a network what pixels show.

    Args:
        trained: the network; it is left as it was.
        image: `(C, H, W)`, floats in [0, 1].

    Returns:
        The classes, the most probable first, at most five.

    Examples:
        >>> from imprint.types import Normalisation
        >>> scale = Normalisation((0.0,), (1.0,))
        >>> trained = Trained(torch.nn.Flatten(), None, scale, (1, 1, 2), ("dark", "light"))
        >>> answers_on(trained, torch.tensor([[[0.0, 1.0]]]))[0].name
        'light'
    """
    model = on_pixels(trained.model, trained.normalisation)
    found = probabilities_of(model, image[None])[0].cpu()
    values, classes = found.topk(min(TOP, len(found)))
    names = trained.class_names
    return [
        Guess(k, names[k] if k < len(names) else f"class {k}", float(p))
        for k, p in zip(classes.tolist(), values, strict=True)
    ]


def change_picture(change: Tensor, epsilon: float) -> Tensor:
    """Make what was added visible: magnified until epsilon fills the range.

    Args:
        change: `(C, H, W)`, floats.
        epsilon: the largest change of a pixel.

    Returns:
        `(3, H, W)`, uint8: of grey images blue below zero and orange above, of others around grey.

    Examples:
        >>> change_picture(torch.zeros(3, 1, 1), 0.1).flatten()
        tensor([128, 128, 128], dtype=torch.uint8)
    """
    scale = epsilon or 1.0
    if len(change) == 1:
        return signed_colours(change[0].float(), scale)
    return (change.float() * (127.5 / scale) + 127.5).round().clamp(0, 255).byte()


def check_pair(one: Trained, other: Trained) -> None:
    """Check that two networks take the same images and answer with the same classes.

    Args:
        one: a network.
        other: another.

    Raises:
        InvalidValueError: where they do not.

    Examples:
        >>> check_pair.__name__
        'check_pair'
    """
    for name in ("shape", "class_names"):
        expected, got = getattr(one, name), getattr(other, name)
        if expected != got:
            what = {"shape": "images", "class_names": "classes"}[name]
            text = f"expected {what} {expected}, as the first has; got {got}"
            raise InvalidValueError(f"second network: {text}")
