"""The pictures of a sight's report."""

from collections.abc import Sequence

import torch
from torch import Tensor

from imprint.report import (
    ChannelLook,
    EvolutionLook,
    Grid,
    Heat,
    LayerLook,
    PatchesLook,
    SeePictures,
    WayLook,
    largest,
    map_grid,
    overlay,
    signed_colours,
    tile_grid,
)
from imprint.seeing import ChannelPatches, LayerMaps
from imprint.sight.evolution import LayerEvolution
from imprint.sight.patches import LayerPatches, SeenPatches
from imprint.sight.results import Seen
from imprint.sight.subject import Subject
from imprint.sight.ways import Way

__all__ = ["pictures_of"]

MOST_CHANNELS = 64
"""Channels of a layer that are shown."""

SIDES = (64, 56, 48, 40, 32, 28, 24, 20, 16, 12, 8)
"""Pixels of a map's longer side, of which the largest is taken that keeps the page small."""

MOST_PIXELS = 3_500_000
"""Of all maps on the page; each takes a byte or so."""

MOST_WAYS = 3
"""Images whose ways are shown."""

MOST_EPOCHS, EVOLVING = 10, 6
"""Epochs and channels that are shown of a layer."""

PAGE_LAYERS = 120
"""Layers of which all ways are shown; of deeper networks the first image's alone."""


def pictures_of(seen: Seen) -> SeePictures:
    """Choose and encode what a report shows.

    Args:
        seen: all of it.

    Returns:
        The pictures.

    Examples:
        >>> from imprint.sight.ways import Unseen
        >>> subject = Subject(torch.zeros(1, 1, 4, 4))
        >>> way = Way(0, (LayerMaps("0", "Conv2d", torch.zeros(1, 70, 2, 2)),))
        >>> pictures_of(Seen(subject, subject, (way,), Unseen(), None, (), (), ())).ways[0].name
        'image 0'
    """
    deep = len(seen.ways[0].maps) > PAGE_LAYERS
    ways = seen.ways[: 1 if deep else MOST_WAYS]
    side = _side(ways)
    return SeePictures(
        ways=[_way(seen.walked, seen.answer_names, way, side) for way in ways],
        patches=[_patches(seen.subject, layer) for layer in seen.patches if layer.channels],
        evolution=[_evolution(layer) for layer in seen.evolution],
        side=side,
    )


def _side(ways: Sequence[Way]) -> int:
    shapes = [row.shape for way in ways for row in way.maps]
    for side in SIDES:
        if sum(_pixels(shape, side) for shape in shapes) <= MOST_PIXELS:
            return side
    return SIDES[-1]


def _pixels(shape: tuple[int, int, int], side: int) -> int:
    channels, height, width = shape
    return min(channels, MOST_CHANNELS) * min(height, side) * min(width, side)


def _way(walked: Subject, names: Sequence[str], way: Way, side: int) -> WayLook:
    image, name = walked.shown(torch.tensor([way.row]))[0], walked.note(way.row)
    return WayLook(
        name=name,
        image=tile_grid([image], note=name, side=224),
        label=walked.label(way.row),
        answers=[(names[k], p) for k, p in way.best()],
        cam=None if way.cam is None else _heat(image, way.cam, f"Grad-CAM over {name}"),
        covered=None if way.covered is None else _heat(image, way.covered, f"occlusion of {name}"),
        layers=[_layer(row, side) for row in way.maps],
    )


def _heat(image: Tensor, heat: Tensor, note: str) -> Heat:
    most = float(heat.abs().max())
    low, high = min(0.0, float(heat.min())), float(heat.max())
    return Heat(overlay(image, heat / (most or 1.0), note=note), low, high)


def _layer(row: LayerMaps, side: int) -> LayerLook:
    maps = row.maps[0, :MOST_CHANNELS].float().cpu()
    scale, channels = largest(maps), row.shape[0]
    note = f"maps of {row.name}, {len(maps)} of {channels} channels"
    grid = map_grid(maps, scale=scale, note=note, side=side)
    return LayerLook(row.name, row.kind, row.shape, scale, grid, channels - len(maps))


def _patches(subject: Subject, layer: LayerPatches) -> PatchesLook:
    sizes = torch.cat([seen.patches.boxes[:, 2:] for seen in layer.channels]).amax(0).tolist()
    looks = [_channel(subject, layer.layer, seen) for seen in layer.channels if _answers(seen)]
    return PatchesLook(layer.layer, (sizes[0], sizes[1]), looks, layer.unprojected)


def _answers(seen: SeenPatches) -> bool:
    return bool(len(seen.patches.index)) and bool((seen.patches.boxes[:, 2:] > 0).all())


def _channel(subject: Subject, layer: str, seen: SeenPatches) -> ChannelLook:
    patches = seen.patches
    about = f"of channel {patches.channel} of {layer}"
    projected = [_projected(each) for each in seen.projections]
    return ChannelLook(
        channel=patches.channel,
        value=float(patches.values[0]),
        patches=tile_grid(_cut(subject, patches), note=f"top patches {about}"),
        projections=tile_grid(projected, note=f"projections {about}") if projected else None,
    )


def _cut(subject: Subject, patches: ChannelPatches) -> list[Tensor]:
    images = subject.shown(patches.index)
    return [
        image[:, top : top + height, left : left + width]
        for image, (top, left, height, width) in zip(images, patches.boxes.tolist(), strict=True)
    ]


def _projected(projection: Tensor) -> Tensor:
    """A projection `(C, h, w)` as bytes: in colour around grey, or signed where there is one."""
    if len(projection) == 3:
        most = float(projection.abs().max()) or 1.0
        return (projection * (127 / most) + 128).round().clamp(0, 255).byte()
    flat = projection.mean(0)
    return signed_colours(flat, largest(flat))


def _evolution(layer: LayerEvolution) -> EvolutionLook:
    places = torch.linspace(0, len(layer.epochs) - 1, min(MOST_EPOCHS, len(layer.epochs)))
    columns = places.round().long()
    moving = layer.maps.float().nan_to_num().flatten(2).std(2).mean(0)
    channels = moving.argsort(descending=True, stable=True)[:EVOLVING].sort().values
    chosen = layer.maps[columns][:, channels].float()
    scale = largest(chosen)
    tiles = chosen.movedim(0, 1).flatten(0, 1)
    note = f"maps of {len(channels)} channels of {layer.layer} over the epochs"
    grid: Grid = map_grid(tiles, scale=scale, note=note, columns=len(columns), side=48)
    epochs = [layer.epochs[int(place)] for place in columns]
    return EvolutionLook(layer.layer, epochs, len(channels), layer.settled, scale, grid)
