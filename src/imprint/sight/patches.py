"""What the strongest channels of a layer answer to, with its projection."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from imprint.errors import InvalidValueError, LayerError
from imprint.seeing import ChannelPatches, LayerMaps, project_patches, top_patches
from imprint.seeing.images import image_batches
from imprint.seeing.reading import maps_to
from imprint.sight.settings import SeeSettings
from imprint.sight.subject import Subject

__all__ = [
    "LayerPatches",
    "SeenPatches",
    "check_channels",
    "layer_patches",
    "strongest_channels",
]


class SeenPatches(NamedTuple):
    """A channel's top patches.

    Attributes:
        patches: where they lie.
        projections: `(C, h, w)` each, of the same boxes; none where the layer cannot be projected.
    """

    patches: ChannelPatches
    projections: tuple[Tensor, ...]


class LayerPatches(NamedTuple):
    """The top patches of a layer.

    Attributes:
        layer: its name.
        channels: the channels that are shown.
        unprojected: why there are no projections, or nothing.
    """

    layer: str
    channels: tuple[SeenPatches, ...]
    unprojected: str = ""


def layer_patches(
    model: nn.Module, layer: str, subject: Subject, settings: SeeSettings
) -> LayerPatches:
    """Find the top patches of a layer, and project them.

    Args:
        model: any `nn.Module`; it is left as it was.
        layer: a name out of `model.named_modules()`.
        subject: the images.
        settings: which channels, how many patches.

    Returns:
        The patches of the channels asked for, or of the strongest ones that answer at all.

    Raises:
        InvalidValueError: for a channel that the layer does not have.
        LayerError: where there is no such layer, or it gives no maps.

    Examples:
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sigmoid())
        >>> found = layer_patches(model, "1", Subject(torch.rand(9, 1, 8, 8)), SeeSettings())
        >>> len(found.channels), found.unprojected[:9]
        (2, "layer '1'")
    """
    peaks = strongest_channels(model, layer, subject, settings.batch_size)
    channels = _channels(peaks, settings)
    if not channels:
        return LayerPatches(layer, ())
    batches = subject.batches(settings.batch_size)
    top = top_patches(model, layer, batches, k=settings.patches, channels=channels)
    seen, why = [], ""
    for patches in (top.of(channel) for channel in channels):
        projections: tuple[Tensor, ...] = ()
        if not why:
            projections, why = _project(model, patches, subject)
        seen.append(SeenPatches(patches, projections))
    return LayerPatches(layer, tuple(seen), why)


def strongest_channels(
    model: nn.Module, layer: str, subject: Subject, batch_size: int = 64
) -> Tensor:
    """Find the largest activation of each channel over all images.

    Args:
        model: any `nn.Module`; it is left as it was.
        layer: a name out of `model.named_modules()`.
        subject: the images.
        batch_size: images that run together.

    Returns:
        `(C,)`, floats.

    Examples:
        >>> strongest_channels(nn.Sequential(nn.ReLU()), "0", Subject(torch.ones(2, 1, 4, 4)))
        tensor([1.])
    """
    peaks = [
        maps_to(model, layer, images).amax((0, 2, 3)).float().cpu()
        for _, images in image_batches(model, subject.batches(batch_size), finite=False)
    ]
    return torch.stack(peaks).amax(0).nan_to_num()


def check_channels(maps: Sequence[LayerMaps], channels: Sequence[int] | None) -> None:
    """Check that each layer has the channels that are asked for.

    Args:
        maps: of each layer.
        channels: from 0; None for the strongest.

    Raises:
        InvalidValueError: for one that a layer does not have.

    Examples:
        >>> check_channels([LayerMaps("0", "Conv2d", torch.zeros(1, 4, 2, 2))], [4])
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: channels: expected 0 … 3 of layer '0', got 4
    """
    for row in maps:
        beyond = [channel for channel in channels or () if channel >= row.shape[0]]
        if beyond:
            expected = f"0 … {row.shape[0] - 1} of layer {row.name!r}"
            raise InvalidValueError(f"channels: expected {expected}, got {beyond[0]}")


def _channels(peaks: Tensor, settings: SeeSettings) -> list[int]:
    if settings.channels is not None:
        return list(dict.fromkeys(settings.channels))
    order = peaks.argsort(descending=True, stable=True)[: settings.strongest]
    return [int(channel) for channel in order if peaks[channel] > 0]


def _project(
    model: nn.Module, patches: ChannelPatches, subject: Subject
) -> tuple[tuple[Tensor, ...], str]:
    """The projections, or why there are none."""
    try:
        pairs = project_patches(model, patches, subject.taken(patches.index))
    except (LayerError, InvalidValueError) as error:
        return (), str(error)
    return tuple(pair.projection.cpu() for pair in pairs), ""
