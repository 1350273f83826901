"""Top patches: what in a data set each channel of a layer answers to most strongly."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from imprint.errors import InvalidValueError, LayerError
from imprint.seeing.images import image_batches
from imprint.seeing.reading import maps_to
from imprint.seeing.receptive_field import receptive_fields
from imprint.seeing.strongest import NONE, Best, best_of, no_best, strongest

__all__ = ["ChannelPatches", "TopPatches", "merge", "top_patches"]


class ChannelPatches(NamedTuple):
    """The patches of one channel, strongest first.

    Attributes:
        layer: the layer's name.
        channel: of the layer.
        values: `(K,)`, float32, the activations.
        index: `(K,)`, int64, the images' places in the data set.
        positions: `(K, 2)`, int64, row and column of the map.
        boxes: `(K, 4)`, int64, top, left, height and width in pixels.
    """

    layer: str
    channel: int
    values: Tensor
    index: Tensor  # type: ignore[assignment]  # hides tuple.index, as in `imprint.data.Batch`
    positions: Tensor
    boxes: Tensor


@dataclass(frozen=True, eq=False)
class TopPatches:
    """The strongest activations of a layer's channels over a data set, at most one an image.

    Args:
        layer: the layer's name.
        channels: `(M,)`, int64, which channels of the layer.
        seen: the number of images that were looked at.
        values: `(M, k)`, float32, strongest first; 0 where there is none.
        index: `(M, k)`, int64, the images' places in the data set; -1 where there is none.
        positions: `(M, k, 2)`, int64, row and column of the layer's map.
        boxes: `(M, k, 4)`, int64, top, left, height and width of the pixels that this place sees;
            of the whole image, where the model hides its gradient and it cannot be told.
    """

    layer: str
    channels: Tensor
    seen: int
    values: Tensor
    index: Tensor
    positions: Tensor
    boxes: Tensor

    def of(self, channel: int) -> ChannelPatches:
        """Give the patches of one channel; none, where the channel is dead.

        Args:
            channel: of the layer, one of those that were looked at.

        Returns:
            The patches that there are.

        Raises:
            InvalidValueError: for another channel.
        """
        rows = (self.channels == channel).nonzero()[:, 0]
        if not len(rows):
            known = self.channels.tolist()
            raise InvalidValueError(f"channel: expected one of {known}, got {channel}")
        row = int(rows[0])
        there = self.index[row] != NONE
        parts = (self.values, self.index, self.positions, self.boxes)
        return ChannelPatches(self.layer, channel, *(part[row][there] for part in parts))


def top_patches(
    model: nn.Module,
    layer: str,
    batches: Iterable[Any],
    *,
    k: int = 9,
    channels: Sequence[int] | None = None,
    first_index: int = 0,
) -> TopPatches:
    """Find the strongest activations of each channel over a data set, in one pass.

    Of each image only its strongest place counts, and only a value above 0. Of equal values the
    earlier image stands first, and the earlier place, so that batches of any size, and shards that
    are merged, give the same.

    Args:
        model: any `nn.Module`; it runs in eval mode without gradients and is left as it was.
        layer: a name out of `model.named_modules()`.
        batches: tensors `(N, C, H, W)`, tuples of which that is the first, or `imprint.data.Batch`;
            all images of one size. Memory does not grow with their number.
        k: how many a channel, at least 1.
        channels: which of the layer's; None for all.
        first_index: the place of the first image in the data set, where batches do not carry it.

    Returns:
        A row a channel.

    Raises:
        InvalidValueError: for no batch, images of several sizes, a channel that the layer does not
            have, or k below 1.
        LayerError: where there is no such layer, or it gives no maps.

    Source: Zeiler & Fergus (2014), figure 2.

    Examples:
        >>> images = torch.zeros(2, 1, 4, 4)
        >>> images[1, 0, 2, 3] = 5.0
        >>> top = top_patches(nn.Sequential(nn.MaxPool2d(2)), "0", [images], k=2)
        >>> top.of(0).index, top.of(0).boxes
        (tensor([1]), tensor([[2, 2, 2, 2]]))
    """
    if k < 1:
        raise InvalidValueError(f"k: expected at least 1, got {k}")
    best: Best | None = None
    for index, images in image_batches(model, batches, first_index=first_index):
        maps = maps_to(model, layer, images)
        if best is None:
            first, grid, seen = images[:1], maps.shape[1:], 0
            chosen = _check_channels(channels, len(maps[0]))
            best = no_best(len(chosen), k)
        _check_sizes(images, first, maps, grid)
        found = strongest(maps[:, chosen.to(maps.device)], index)
        best, seen = best_of(best, found, k), seen + len(images)
    assert best is not None  # noqa: S101 - a stream without a batch is an error
    boxes = _boxes(model, layer, first, best)
    return TopPatches(layer, chosen, seen, best.values, best.index, best.places, boxes)


def merge(left: TopPatches, right: TopPatches) -> TopPatches:
    """Put together what was found in two parts of a data set.

    Args:
        left: of one part.
        right: of another part, with the same layer, channels and k, its images counted on from the
            other's.

    Returns:
        The same as one pass over both gives; associative and commutative.

    Raises:
        InvalidValueError: where the two are not of the same layer, channels and k.

    Examples:
        >>> model = nn.Sequential(nn.MaxPool2d(2))
        >>> parts = [
        ...     top_patches(model, "0", [torch.full((1, 1, 2, 2), i + 1.0)], k=2, first_index=i)
        ...     for i in range(3)
        ... ]
        >>> merge(merge(parts[0], parts[1]), parts[2]).of(0).index
        tensor([2, 1])
    """
    same = left.layer == right.layer and left.values.shape == right.values.shape
    if not same or not torch.equal(left.channels, right.channels):
        got = f"{right.layer!r} with {tuple(right.values.shape)}"
        expected = f"{left.layer!r} with {tuple(left.values.shape)}, and the same channels"
        raise InvalidValueError(f"right: expected layer {expected}; got {got}")
    best = best_of(_as_best(left), _as_best(right), left.values.shape[1])
    positions, boxes = torch.split(best.places, [2, 4], dim=2)
    seen = left.seen + right.seen
    return TopPatches(left.layer, left.channels, seen, best.values, best.index, positions, boxes)


def _as_best(part: TopPatches) -> Best:
    return Best(part.values, part.index, torch.cat((part.positions, part.boxes), dim=2))


def _check_channels(channels: Sequence[int] | None, count: int) -> Tensor:
    """The channels that are asked for, all of them by default."""
    chosen = torch.arange(count) if channels is None else torch.tensor(list(channels))
    asked = chosen.tolist()
    if not asked or len(set(asked)) < len(asked) or not 0 <= min(asked) <= max(asked) < count:
        raise InvalidValueError(f"channels: expected some of 0 … {count - 1}, once; got {asked}")
    return chosen


def _check_sizes(images: Tensor, first: Tensor, maps: Tensor, grid: torch.Size) -> None:
    """Positions and boxes hold for one size of images."""
    if images.shape[1:] != first.shape[1:] or maps.shape[1:] != grid:
        expected, got = tuple(first.shape[1:]), tuple(images.shape[1:])
        raise InvalidValueError(f"batches: expected all images of one size {expected}, got {got}")


def _boxes(model: nn.Module, layer: str, first: Tensor, best: Best) -> Tensor:
    """The pixels that each place sees, `(M, k, 4)`; zeros where there is no patch."""
    boxes = torch.zeros(*best.index.shape, 4, dtype=torch.int64)
    there = best.index != NONE
    places, which = torch.unique(best.places[there], dim=0, return_inverse=True)
    try:
        boxes[there] = receptive_fields(model, layer, first, places)[which]
    except LayerError:  # no gradient leads to the images
        boxes[there] = torch.tensor([0, 0, *first.shape[2:]])
    return boxes
