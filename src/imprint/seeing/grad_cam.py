"""Grad-CAM: where in an image a layer finds what speaks for a class."""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imprint.errors import LayerError
from imprint.seeing.extra import captum_attr
from imprint.seeing.images import answers, check_classes, check_images, check_targets
from imprint.seeing.reading import Reading, check_maps, watching
from imprint.taps import find_layer, guest

__all__ = ["GradCam", "grad_cam"]

CUT_OFF = ("not have been used in the graph", "does not require grad")
"""What autograd says of logits that do not depend on a layer, and of logits without a history."""


class GradCam(NamedTuple):
    """Where a layer finds what speaks for a class.

    Attributes:
        maps: `(N, H, W)` of the images' size, in [0, 1]; each image's largest value is 1, or all
            are 0 where nothing speaks for the class.
        raw: `(N, h, w)` of the layer's size, signed: negative where it speaks against the class.
    """

    maps: Tensor
    raw: Tensor


@torch.inference_mode(mode=False)
@torch.enable_grad()
def grad_cam(model: nn.Module, layer: str, images: Tensor, targets: Tensor | int) -> GradCam:
    """Weigh a layer's maps by how much each channel speaks for a class, and add them up.

    It is captum's `LayerGradCam`; the sum is rectified, enlarged bilinearly and divided by its
    largest value.

    Args:
        model: any `nn.Module` that gives logits `(N, K)`; it runs in eval mode and is left as it
            was, gradients and all.
        layer: a name out of `model.named_modules()`, of a layer that runs once and gives maps.
        images: `(N, C, H, W)`, floats, finite, as the model takes them.
        targets: `(N,)`, int64, the class for each image, or one for all.

    Returns:
        The maps, and the sum as it was.

    Raises:
        InvalidValueError: for images that the model does not take, or a class that it does not
            have.
        LayerError: where there is no such layer, it gives no maps `(N, C, H, W)` or does not run
            once, or no gradient leads from the logits to it.
        MissingExtraError: without `imprint[see]`.

    Source: Selvaraju et al. (2017), "Grad-CAM", equations 1 and 2.

    Examples:
        >>> model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> _ = nn.init.constant_(model[0].weight, 1.0), nn.init.zeros_(model[0].bias)
        >>> grad_cam(model, "0", torch.tensor([[[[0.0, 1.0], [0.0, 2.0]]]]), 0).maps
        tensor([[[0.0000, 0.5000],
                 [0.0000, 1.0000]]])
    """
    images = check_images(model, images)
    rows = check_targets(targets, images)
    module = find_layer(model, layer)
    with guest(model):
        _check_layer(model, layer, images[:1], rows)
        leaf = images.clone().requires_grad_()  # captum would set it and warn
        raw = _attribute(model, module, layer, leaf, rows)[:, 0].detach()
    return GradCam(_shown(raw, images), raw)


def _check_layer(model: nn.Module, layer: str, image: Tensor, targets: Tensor) -> None:
    """Check that the layer is one that captum can weigh, and that the classes exist."""
    readings: list[Reading] = []
    outputs: list[Any] = []
    handle = find_layer(model, layer).register_forward_hook(lambda *run: outputs.append(run[2]))
    try:
        with torch.no_grad(), watching(model, readings.append):
            check_classes(answers(model, image), targets)
    finally:
        handle.remove()
    if len(outputs) != 1:
        raise LayerError(f"layer {layer!r}: expected one that runs once, got {len(outputs)} runs")
    if not isinstance(outputs[0], Tensor):
        got = type(outputs[0]).__name__
        raise LayerError(f"layer {layer!r}: expected one tensor as its output, got {got}")
    reading = next(each for each in readings if each.name == layer)
    check_maps(reading, len(image))
    if reading.channels != 1:
        got = f"(N, H, W, C) from a {type(reading.module).__name__}"
        raise LayerError(f"layer {layer!r}: expected maps (N, C, H, W), got {got}")


def _attribute(
    model: nn.Module, module: nn.Module, layer: str, leaf: Tensor, targets: Tensor
) -> Tensor:
    """Captum's weighted sum, `(N, 1, h, w)`."""
    weigher: Any = captum_attr().LayerGradCam(lambda images: answers(model, images), module)
    try:
        result: Tensor = weigher.attribute(leaf, target=targets)
    except RuntimeError as error:
        if not any(sign in str(error) for sign in CUT_OFF):
            raise
        problem = "expected one that the logits depend on by a gradient, got one that they do not"
        raise LayerError(f"layer {layer!r}: {problem}") from error
    return result


def _shown(raw: Tensor, images: Tensor) -> Tensor:
    """The rectified sum `(N, h, w)` at the images' size, each divided by its largest value."""
    size = images.shape[2:]
    maps = F.interpolate(raw.clamp_min(0)[:, None], size=size, mode="bilinear", align_corners=False)
    largest = maps.amax((1, 2, 3), keepdim=True)
    return (maps / largest.where(largest > 0, 1))[:, 0]
