"""The strongest activations of each channel, kept while images stream by."""

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["NONE", "Best", "best_of", "no_best", "strongest"]

NONE = -1
"""The index where no activation is above 0."""


class Best(NamedTuple):
    """Activations of M channels, n of each.

    Attributes:
        values: `(M, n)`, float32, above 0, or 0 where there is none.
        index: `(M, n)`, int64, the images' places in the data set; -1 where there is none.
        places: `(M, n, P)`, int64, what goes with each, such as row and column of the map.
    """

    values: Tensor
    index: Tensor  # type: ignore[assignment]  # hides tuple.index, as in `imprint.data.Batch`
    places: Tensor


def no_best(channels: int, k: int) -> Best:
    """Give what stands before the first image.

    Args:
        channels: M.
        k: how many a channel.

    Returns:
        k empty places a channel, of a row and a column.

    Examples:
        >>> no_best(1, 2).index
        tensor([[-1, -1]])
    """
    index = torch.full((channels, k), NONE)
    return Best(torch.zeros(channels, k), index, index.new_zeros(channels, k, 2))


def strongest(maps: Tensor, index: Tensor) -> Best:
    """Find the strongest place of each channel in each image.

    Args:
        maps: `(N, M, H, W)`, floats; NaN counts as no activation.
        index: `(N,)`, int64, the images' places in the data set.

    Returns:
        N a channel, in the images' order, on the CPU.

    Examples:
        >>> strongest(torch.tensor([[[[1.0, 3.0], [3.0, 0.0]]]]), torch.tensor([7]))
        Best(values=tensor([[3.]]), index=tensor([[7]]), places=tensor([[[0, 1]]]))
    """
    flat = maps.flatten(2).nan_to_num(nan=0.0, posinf=torch.inf, neginf=-torch.inf)
    values, flat_places = (part.T.cpu() for part in flat.max(dim=2))
    there = values > 0
    places = torch.stack((flat_places // maps.shape[3], flat_places % maps.shape[3]), dim=2)
    return Best(
        values.float().where(there, 0),
        index.expand_as(flat_places).where(there, NONE),
        places * there[:, :, None],
    )


def best_of(left: Best, right: Best, k: int) -> Best:
    """Keep the k strongest of each channel out of two lists, at most one an image.

    Args:
        left: `(M, n)`.
        right: `(M, m)`.
        k: at most n + m.

    Returns:
        `(M, k)`, strongest first; of equal values the earlier image's.

    Examples:
        >>> one = strongest(torch.ones(1, 1, 1, 1), torch.tensor([4]))
        >>> two = strongest(torch.ones(1, 1, 1, 1) * 2, torch.tensor([5]))
        >>> best_of(one, two, 1).index
        tensor([[5]])
    """
    both = Best(*(torch.cat(parts, dim=1) for parts in zip(left, right, strict=True)))
    by_image = _ordered(_ordered(both, -both.values), None)
    again = torch.zeros_like(by_image.index, dtype=torch.bool)
    again[:, 1:] = by_image.index[:, 1:] == by_image.index[:, :-1]  # and weaker
    once = Best(
        by_image.values.where(~again, 0),
        by_image.index.where(~again, NONE),
        by_image.places * ~again[:, :, None],
    )
    return Best(*(part[:, :k] for part in _ordered(once, -once.values)))


def _ordered(best: Best, key: Tensor | None) -> Best:
    """Order each channel's by a key `(M, n)`, ascending, by the image by default; ties stay."""
    order = (best.index if key is None else key).argsort(dim=1, stable=True)
    each = torch.arange(len(order))[:, None]
    return Best(*(part[each, order] for part in best))
