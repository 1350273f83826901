"""Landmarks: a few layers that stand for the whole network."""

from torch import Tensor, nn

from imprint.seeing.layers import layer_maps

__all__ = ["landmarks"]


def landmarks(model: nn.Module, images: Tensor, *, most: int = 4) -> tuple[str, ...]:
    """Choose the last layer of each resolution: what a network hands on before it looks coarser.

    Args:
        model: any `nn.Module`; it runs in eval mode without gradients and is left as it was.
        images: `(N, C, H, W)`, floats, as the model takes them; the first one is run.
        most: how many at most, the last ones.

    Returns:
        names of layers that put out maps, in order of execution; maps of one pixel count only where
        there are no others.

    Raises:
        InvalidValueError: for images that the model does not take.
        LayerError: for a model without maps.

    Examples:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.ReLU())
        >>> import torch
        >>> landmarks(model, torch.zeros(1, 1, 8, 8))
        ('1', '3')
    """
    rows = layer_maps(model, images[:1])
    wide = [row for row in rows if row.shape[1:] != (1, 1)] or rows
    last = {row.shape[1:]: row.name for row in wide}
    return tuple(row.name for row in wide if row.name == last[row.shape[1:]])[-most:]
