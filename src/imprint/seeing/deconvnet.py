"""A deconvnet: what in an image a chosen activation answers to, projected back to pixels."""

from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from imprint.errors import InvalidValueError, LayerError
from imprint.seeing.graph import ruled, trace
from imprint.seeing.images import check_images
from imprint.seeing.passing import check_passable, rule_of
from imprint.taps import guest

__all__ = ["Position", "deconvolve", "projectable"]

Position: TypeAlias = Literal["strongest", "all"] | tuple[int, int] | Tensor
"""Which activation of a channel: each image's strongest, all, one place, or one an image."""


def deconvolve(
    model: nn.Module,
    layer: str,
    images: Tensor,
    channel: int,
    *,
    position: Position = "strongest",
) -> Tensor:
    """Project a chosen activation back to the pixels of each image.

    All other activations of the layer are set to zero. What is left goes down through the transpose
    of each convolution and linear layer, through each max pool to where its maximum lay, and
    through a rectification at each rectifier (ReLU, GELU, SiLU and their kin). A norm scales by the
    statistics that it had on the way up. Residual sums and concatenations hand on to all their
    parts. It works on autograd's graph, so that functions count as modules do.

    Args:
        model: any `nn.Module`; it runs in eval mode up to the layer and is left as it was.
        layer: a name out of `model.named_modules()`; of a layer that runs several times the first
            run, or the second by `name#2`.
        images: `(N, C, H, W)`, floats, finite, as the model takes them.
        channel: of the layer, from 0; the unit, where the layer puts out vectors.
        position: `strongest`, the channel's largest activation in each image; `all` of the channel;
            a row and column of the map; or `(N, 2)`, int64, one for each image.

    Returns:
        `(N, C, H, W)`, float32 (float64 for a float64 model); linear in the activation.

    Raises:
        InvalidValueError: for images that the model does not take, or a channel or position that
            the layer does not have.
        LayerError: where there is no such layer, it gives no maps, or something lies on the way
            that a deconvnet cannot pass; it names the module and the reason.

    Source: Zeiler & Fergus (2014), "Visualizing and understanding convolutional networks",
        section 2.1.

    Examples:
        >>> model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), nn.MaxPool2d(2))
        >>> _ = nn.init.constant_(model[0].weight, 2.0)
        >>> deconvolve(model, "2", torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), 0)
        tensor([[[[ 0.,  0.],
                  [ 0., 16.]]]])
    """
    images = check_images(model, images)
    with guest(model):
        path = trace(model, layer, images)
        nodes = check_passable(path, layer)
        chosen = _choose(path.maps.detach(), channel, position)
        with ruled(nodes, rule_of):
            (projection,) = torch.autograd.grad(path.maps, path.images, chosen)
    return projection.to(torch.promote_types(projection.dtype, torch.float32))


def projectable(model: nn.Module, layer: str, images: Tensor) -> bool:
    """Tell whether a layer's activations can be projected to pixels.

    Args:
        model: any `nn.Module`; it is left as it was.
        layer: a name out of `model.named_modules()`.
        images: `(N, C, H, W)`, as the model takes them; one will do.

    Returns:
        False where the layer gives no maps, or something lies on the way that a deconvnet cannot
        pass; `deconvolve` then says what.

    Raises:
        InvalidValueError: for images that the model does not take.

    Examples:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Sigmoid())
        >>> [projectable(model, layer, torch.zeros(1, 1, 8, 8)) for layer in ("0", "1")]
        [True, False]
    """
    images = check_images(model, images[:1])
    try:
        with guest(model):
            check_passable(trace(model, layer, images), layer)
    except LayerError:
        return False
    return True


def _choose(maps: Tensor, channel: int, position: Position) -> Tensor:
    """The maps `(N, C, H, W)` with all but the chosen activations set to zero."""
    if not 0 <= channel < maps.shape[1]:
        raise InvalidValueError(f"channel: expected 0 … {maps.shape[1] - 1}, got {channel}")
    chosen = torch.zeros_like(maps)
    if isinstance(position, str) and position == "all":
        chosen[:, channel] = maps[:, channel]
        return chosen
    rows, columns = _places(maps[:, channel], position).unbind(1)
    each = torch.arange(len(maps), device=maps.device)
    chosen[each, channel, rows, columns] = maps[each, channel, rows, columns]
    return chosen


def _places(maps: Tensor, position: Position) -> Tensor:
    """A row and column for each of the maps `(N, H, W)`, as `(N, 2)`."""
    count, height, width = maps.shape
    if isinstance(position, str):
        if position != "strongest":
            raise InvalidValueError(f"position: expected strongest or all, got {position!r}")
        flat = maps.flatten(1).argmax(1)
        return torch.stack((flat // width, flat % width), dim=1)
    places = torch.as_tensor(position, device=maps.device)
    if places.is_floating_point() or places.shape not in ((2,), (count, 2)):
        got = f"{tuple(places.shape)} of {places.dtype}"
        raise InvalidValueError(f"position: expected (row, column) or ({count}, 2), got {got}")
    if bool((places < 0).any()) or bool((places >= places.new_tensor([height, width])).any()):
        expected = f"a row in 0 … {height - 1} and a column in 0 … {width - 1}"
        raise InvalidValueError(f"position: expected {expected}, got {places.tolist()}")
    return places.expand(count, 2)
