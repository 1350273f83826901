"""A channel's top patches, each beside what of it the channel answers to."""

from typing import NamedTuple

from torch import Tensor, nn

from imprint.errors import InvalidValueError
from imprint.seeing.deconvnet import deconvolve
from imprint.seeing.top_patches import ChannelPatches

__all__ = ["PatchPair", "project_patches"]


class PatchPair(NamedTuple):
    """A patch of an image, and its projection.

    Attributes:
        pixels: `(C, h, w)`, the part of the image that the activation sees.
        projection: `(C, h, w)`, float32, the deconvnet's, of the same part.
    """

    pixels: Tensor
    projection: Tensor


def project_patches(
    model: nn.Module, patches: ChannelPatches, images: Tensor
) -> tuple[PatchPair, ...]:
    """Cut a channel's top patches out of their images, and project each activation to pixels.

    Args:
        model: the `nn.Module` that the patches were found with; it is left as it was.
        patches: of one channel, as `TopPatches.of` gives them.
        images: `(K, C, H, W)`, the images at `patches.index`, in that order, as the model takes
            them.

    Returns:
        A pair a patch, strongest first; none for a dead channel.

    Raises:
        InvalidValueError: for another number of images.
        LayerError: where the layer cannot be projected; it names the module and the reason.

    Source: Zeiler & Fergus (2014), figure 2.

    Examples:
        >>> import torch
        >>> from imprint.seeing import top_patches
        >>> model, images = nn.Sequential(nn.Conv2d(1, 2, 3)), torch.rand(5, 1, 8, 8)
        >>> _ = nn.init.constant_(model[0].weight, 1.0)
        >>> patches = top_patches(model, "0", [images], k=3).of(1)
        >>> [pair.pixels.shape for pair in project_patches(model, patches, images[patches.index])]
        [torch.Size([1, 3, 3]), torch.Size([1, 3, 3]), torch.Size([1, 3, 3])]
    """
    if len(images) != len(patches.index):
        expected = f"{len(patches.index)}, one a patch"
        raise InvalidValueError(f"images: expected {expected}, got {len(images)}")
    if not len(images):
        return ()
    projections = deconvolve(
        model, patches.layer, images, patches.channel, position=patches.positions
    )
    boxes = patches.boxes.tolist()
    return tuple(
        PatchPair(_cut(image, box), _cut(projection, box))
        for image, projection, box in zip(images, projections, boxes, strict=True)
    )


def _cut(image: Tensor, box: list[int]) -> Tensor:
    """The part of an image `(C, H, W)` within a box."""
    top, left, height, width = box
    return image[:, top : top + height, left : left + width]
