"""Which pixels an activation sees: the box of an image that its value depends on."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.graph import Node

from imprint.errors import InvalidValueError
from imprint.seeing.graph import Gradients, Rule, kind_of, nodes_on_the_way, ruled, trace
from imprint.seeing.passing import CLIPS, NORMS, RECTIFIERS
from imprint.taps import guest

__all__ = ["receptive_fields"]

CHUNK = 32
"""Positions that are looked at together."""

ELEMENTWISE = RECTIFIERS | NORMS | frozenset(CLIPS) | {"Sigmoid", "Tanh", "Hardsigmoid", "Abs"}
"""Each value comes from the one in its place; a norm's statistics are taken as constants."""


def receptive_fields(model: nn.Module, layer: str, images: Tensor, positions: Tensor) -> Tensor:
    """Find the box of pixels that each position of a layer's maps can see.

    The support of the gradient, with each filter taken as full: a weight that happens to be zero
    hides no pixel, a rectifier at rest neither, and a max pool sees its whole window. It is exact
    for every graph of convolutions, pools, padding, elementwise functions, sums and concatenations.
    A norm's statistics count as constants; what mixes all positions, as attention or a gate by
    global pooling does, sees the whole image.

    Args:
        model: any `nn.Module`; it runs in eval mode up to the layer and is left as it was.
        layer: a name out of `model.named_modules()`.
        images: `(N, C, H, W)`, N at least 1; the first one is run, its pixels do not matter.
        positions: `(P, 2)`, int64, rows and columns of the layer's maps.

    Returns:
        `(P, 4)`, int64: top, left, height and width in pixels, clipped at the image's border; all
        zeros where a position sees no pixel.

    Raises:
        InvalidValueError: for positions outside of the maps.
        LayerError: where there is no such layer, or it gives no maps.

    Source: Araujo, Norris & Sim (2019), "Computing receptive fields of convolutional neural
        networks", which counts the same from kernels, strides and padding.

    Examples:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.MaxPool2d(2))
        >>> receptive_fields(model, "1", torch.zeros(1, 1, 8, 8), torch.tensor([[0, 0], [1, 2]]))
        tensor([[0, 0, 3, 3],
                [1, 3, 4, 4]])
    """
    chunks = [_fields(model, layer, images[:1], some) for some in torch.split(positions, CHUNK)]
    return torch.cat(chunks) if chunks else positions.new_zeros(0, 4)


def _fields(model: nn.Module, layer: str, image: Tensor, positions: Tensor) -> Tensor:
    """The boxes of some positions, one copy of the image for each."""
    with guest(model):
        path = trace(model, layer, image.expand(len(positions), -1, -1, -1))
        rows, columns = positions.to(image.device).unbind(1)
        height, width = path.maps.shape[2:]
        if bool((positions < 0).any() | (rows >= height).any() | (columns >= width).any()):
            expected = f"rows in 0 … {height - 1} and columns in 0 … {width - 1}"
            raise InvalidValueError(f"positions: expected {expected}, got {positions.tolist()}")
        seeds = torch.zeros_like(path.maps)
        seeds[torch.arange(len(positions)), :, rows, columns] = 1
        with ruled(nodes_on_the_way(path), lambda node: RULES.get(kind_of(node), _any)):
            (support,) = torch.autograd.grad(path.maps, path.images, seeds)
    return _boxes(support.ne(0).any(1)).cpu()


def _boxes(seen: Tensor) -> Tensor:
    """The smallest boxes around what is seen, from `(P, H, W)`, bool, to `(P, 4)`, int64."""
    spans = [_span(seen.any(3 - axis)) for axis in (1, 2)]
    (top, height), (left, width) = spans
    return torch.stack((top, left, height, width), dim=1)


def _span(line: Tensor) -> tuple[Tensor, Tensor]:
    """First place and length of what is true in each row of `(P, L)`."""
    places = torch.arange(line.shape[1], device=line.device)
    first = places.where(line, line.shape[1]).amin(1)
    length = places.where(line, -1).amax(1) - first + 1
    return first.where(length > 0, 0), length.clamp_min(0)


def _any(_node: Node, _above: Gradients, below: Gradients) -> Gradients:
    """Every input with some gradient, as ones: neither vanishing nor overflowing further down."""
    return tuple(None if part is None else part.ne(0).to(part.dtype) for part in below)


def _same_place(_node: Node, above: Gradients, below: Gradients) -> Gradients:
    return (above[0], *below[1:])


def _full_filter(node: Any, above: Gradients, below: Gradients) -> Gradients:
    """A convolution's transpose with a filter of ones."""
    (signal,) = above
    if signal is None:
        return below
    ones = torch.ones_like(node._saved_weight)  # noqa: SLF001 - autograd's own names
    seen = torch.ops.aten.convolution_backward(
        signal,
        node._saved_input,  # noqa: SLF001
        ones,
        None,
        node._saved_stride,  # noqa: SLF001
        node._saved_padding,  # noqa: SLF001
        node._saved_dilation,  # noqa: SLF001
        node._saved_transposed,  # noqa: SLF001
        node._saved_output_padding,  # noqa: SLF001
        node._saved_groups,  # noqa: SLF001
        (True, False, False),
    )[0]
    return (seen.gt(0.5).to(signal.dtype), *below[1:])  # a fast algorithm leaves 1e-7 beside it


def _full_window(node: Any, above: Gradients, below: Gradients) -> Gradients:
    """A max pool's windows, each channel by a filter of ones."""
    (signal,) = above
    if signal is None:
        return below
    source = node._saved_self  # noqa: SLF001
    height, width = source.shape[-2:]
    ones = signal.new_ones(1, 1, *node._saved_kernel_size)  # noqa: SLF001
    stride = node._saved_stride or node._saved_kernel_size  # noqa: SLF001 - empty by default
    planes = signal.reshape(-1, 1, *signal.shape[-2:])
    seen = F.conv_transpose2d(planes, ones, stride=stride, dilation=node._saved_dilation)  # noqa: SLF001
    top, left = node._saved_padding  # noqa: SLF001
    missing = (left + width - seen.shape[3], top + height - seen.shape[2])
    seen = F.pad(seen, (0, max(0, missing[0]), 0, max(0, missing[1])))
    seen = seen[:, :, top : top + height, left : left + width].reshape(source.shape)
    return (seen.gt(0.5).to(signal.dtype), *below[1:])


def _full_cells(node: Any, above: Gradients, below: Gradients) -> Gradients:
    """An adaptive max pool's cells, which an adaptive mean has, too."""
    (signal,) = above
    if signal is None:
        return below
    source = torch.zeros_like(node._saved_self)  # noqa: SLF001
    seen = torch.ops.aten._adaptive_avg_pool2d_backward(signal, source)  # noqa: SLF001
    return (seen.ne(0).to(signal.dtype), *below[1:])


RULES: dict[str, Rule] = {
    **dict.fromkeys(ELEMENTWISE, _same_place),
    "Convolution": _full_filter,
    "MaxPool2DWithIndices": _full_window,
    "AdaptiveMaxPool2D": _full_cells,
}
"""How a node tells which of its inputs it sees, by its kind."""
