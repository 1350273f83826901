"""The pictures that the report of `imprint see` shows."""

from collections.abc import Sequence
from dataclasses import dataclass

from imprint.report.grids import Grid

__all__ = [
    "ChannelLook",
    "EvolutionLook",
    "Heat",
    "LayerLook",
    "PatchesLook",
    "SeePictures",
    "WayLook",
]


@dataclass(frozen=True)
class LayerLook:
    """A layer's maps.

    Attributes:
        name: of the layer.
        kind: of its module.
        shape: channels, height and width.
        scale: the magnitude at which the colours end.
        grid: of its first channels.
        unshown: how many channels are not in it.
    """

    name: str
    kind: str
    shape: tuple[int, int, int]
    scale: float
    grid: Grid
    unshown: int


@dataclass(frozen=True)
class Heat:
    """What is laid over an image.

    Attributes:
        grid: the image with it.
        low: the value of the clearest blue; 0 where there is none.
        high: of the clearest orange.
    """

    grid: Grid
    low: float
    high: float


@dataclass(frozen=True)
class WayLook:
    """An image on its way.

    Attributes:
        name: of the image.
        image: itself.
        label: its class, or None where it is not known.
        answers: classes and their probabilities, the most probable first.
        cam: Grad-CAM over it, or None.
        covered: occlusion over it, or None.
        layers: its maps.
    """

    name: str
    image: Grid
    label: str | None
    answers: Sequence[tuple[str, float]]
    cam: Heat | None
    covered: Heat | None
    layers: Sequence[LayerLook]


@dataclass(frozen=True)
class ChannelLook:
    """A channel's top patches.

    Attributes:
        channel: its number.
        value: the strongest activation.
        patches: of pixels.
        projections: of the same boxes, or None.
    """

    channel: int
    value: float
    patches: Grid
    projections: Grid | None


@dataclass(frozen=True)
class PatchesLook:
    """A layer's top patches.

    Attributes:
        layer: its name.
        box: height and width of the largest patch, in pixels.
        channels: the strongest first.
        unprojected: why there are no projections, or nothing.
    """

    layer: str
    box: tuple[int, int]
    channels: Sequence[ChannelLook]
    unprojected: str


@dataclass(frozen=True)
class EvolutionLook:
    """A layer's maps over the epochs.

    Attributes:
        layer: its name.
        epochs: of the columns.
        channels: how many rows.
        settled: the epoch from which on it was, or None.
        scale: the magnitude at which the colours end.
        grid: a row a channel, a column an epoch.
    """

    layer: str
    epochs: Sequence[int]
    channels: int
    settled: int | None
    scale: float
    grid: Grid


@dataclass(frozen=True)
class SeePictures:
    """All pictures of the report.

    Attributes:
        ways: of some images.
        patches: of some layers.
        evolution: of a few layers.
        side: pixels of the longer side beyond which maps are shown shrunk.
    """

    ways: Sequence[WayLook] = ()
    patches: Sequence[PatchesLook] = ()
    evolution: Sequence[EvolutionLook] = ()
    side: int = 64
