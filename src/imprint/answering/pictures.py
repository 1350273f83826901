"""Images that leave at each exit, and some that go to the end."""

import torch

from imprint.answering.results import Answered
from imprint.report import PictureRow, Shown, picture

__all__ = ["pictures_of"]

SHOWN = 12
"""Images of each exit; spread over those that leave there."""


def pictures_of(answered: Answered) -> list[PictureRow]:
    """Show some images of each exit.

    Args:
        answered: what early answers came to.

    Returns:
        A row an exit, then one for the network's end; those without an image are left out.

    Examples:
        >>> from imprint.early_exit import EarlyExit
        >>> from imprint.types import ImageSet
        >>> part = ImageSet(torch.zeros(2, 1, 2, 2).byte(), torch.tensor([0, 1]), ("a", "b"))
        >>> rows = torch.tensor([0, 0])
        >>> [row.title for row in pictures_of(Answered(part, EarlyExit(()), rows, rows, rows, []))]
        ['to the end: 2 images']
    """
    places = [f"at {own.layer}" for own in answered.exits.exits]
    rows = []
    for number, place in enumerate([*places, "to the end"]):
        here = (answered.taken == number).nonzero()[:, 0]
        if len(here):
            rows.append(PictureRow(f"{place}: {len(here):,} images", _shown(answered, here)))
    return rows


def _shown(answered: Answered, here: torch.Tensor) -> list[Shown]:
    chosen = here[torch.linspace(0, len(here) - 1, min(SHOWN, len(here))).round().long()]
    return [Shown(picture(answered.part.images[row]), _note(answered, int(row))) for row in chosen]


def _note(answered: Answered, row: int) -> str:
    names = answered.part.class_names
    label, answer = names[answered.part.labels[row]], names[answered.early[row]]
    return label if label == answer else f"{label}, taken for {answer}"
