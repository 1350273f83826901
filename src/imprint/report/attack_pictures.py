"""The pictures that the report of `imprint attack` shows."""

from collections.abc import Sequence
from dataclasses import dataclass

from imprint.report.grids import Grid

__all__ = ["ExampleLook", "ShotLook"]


@dataclass(frozen=True)
class ShotLook:
    """An image as an attack made it.

    Attributes:
        epsilon: the largest change of a pixel.
        image: itself.
        change: what was added to it.
        answer: the most probable class and its probability.
        fooled: whether that is not the image's own.
    """

    epsilon: float
    image: Grid
    change: Grid
    answer: tuple[str, float]
    fooled: bool


@dataclass(frozen=True)
class ExampleLook:
    """An image, and what an attack makes of it.

    Attributes:
        made_on: the network's name.
        note: its class and number.
        label: its class.
        image: itself.
        answer: the most probable class before, and its probability.
        shots: by growing epsilon.
        scale: the change at which the colours of all its changes end.
    """

    made_on: str
    note: str
    label: str
    image: Grid
    answer: tuple[str, float]
    shots: Sequence[ShotLook]
    scale: float
