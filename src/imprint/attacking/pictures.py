"""The pictures of an attack's report."""

from collections.abc import Sequence

import torch
from torch import Tensor

from imprint.attacking.examples import Answer, Example, Shot
from imprint.attacking.results import Attacked
from imprint.report import ExampleLook, ShotLook, signed_colours, tile_grid

__all__ = ["pictures_of"]

SIDE = 224
"""Pixels of a picture's longer side, at most."""


def pictures_of(attacked: Attacked) -> list[ExampleLook]:
    """Encode what a report shows.

    Args:
        attacked: with examples.

    Returns:
        A look an example.

    Examples:
        >>> from imprint.types import ImageSet
        >>> part = ImageSet(torch.zeros(1, 1, 2, 2).byte(), torch.tensor([0]), ("a", "b"))
        >>> example = Example("net", 0, 0, torch.zeros(1, 2, 2), Answer(0, 0.5), ())
        >>> pictures_of(Attacked(part, [], [], [], [example]))[0].answer
        ('a', 0.5)
    """
    names = attacked.part.class_names
    return [_look(example, names) for example in attacked.examples]


def _look(example: Example, names: Sequence[str]) -> ExampleLook:
    scale = max((shot.epsilon for shot in example.shots), default=1.0)
    label = names[example.label]
    return ExampleLook(
        made_on=example.made_on,
        note=f"{label}, image {example.row}",
        label=label,
        image=tile_grid([_bytes(example.image)], note=f"image {example.row}", side=SIDE),
        answer=_told(example.answer, names),
        shots=[_shot(shot, example, names, scale) for shot in example.shots],
        scale=scale,
    )


def _shot(shot: Shot, example: Example, names: Sequence[str], scale: float) -> ShotLook:
    about = f"image {example.row}, epsilon {shot.epsilon:g}"
    change = _change(shot.image - example.image, scale)
    return ShotLook(
        epsilon=shot.epsilon,
        image=tile_grid([_bytes(shot.image)], note=about, side=SIDE),
        change=tile_grid([change], note=f"what was added to {about}", side=SIDE),
        answer=_told(shot.answer, names),
        fooled=shot.answer.label != example.label,
    )


def _told(answer: Answer, names: Sequence[str]) -> tuple[str, float]:
    return names[answer.label], answer.probability


def _bytes(image: Tensor) -> Tensor:
    return (image.float() * 255).round().clamp(0, 255).to(torch.uint8)


def _change(change: Tensor, scale: float) -> Tensor:
    """What was added `(C, H, W)` as bytes: signed where grey, in colour around grey otherwise."""
    if len(change) == 1:
        return signed_colours(change[0].float(), scale)
    return _bytes(change.float() / (2 * scale) + 0.5)
