"""Pixels in [0, 1]: what is attacked, so that an epsilon has one meaning for every network."""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from imprint.errors import InvalidValueError
from imprint.taps import device_of
from imprint.types import Normalisation

__all__ = [
    "BOUNDS",
    "check_epsilon",
    "check_images",
    "check_labels",
    "on_pixels",
    "pixels_of",
]

BOUNDS = (0.0, 1.0)
"""The valid range of a pixel."""


class _Normalise(nn.Module):
    """Pixels in [0, 1] to what a network was trained on, to the bit as `imprint.data.normalise`."""

    def __init__(self, scale: Normalisation) -> None:
        super().__init__()
        mean, std = torch.tensor(scale, dtype=torch.float32).view(2, 1, -1, 1, 1)
        self.register_buffer("offset", mean * 255, persistent=False)
        self.register_buffer("factor", 1 / (std * 255), persistent=False)
        self.offset: Tensor
        self.factor: Tensor

    def forward(self, images: Tensor) -> Tensor:
        return (images * 255 - self.offset) * self.factor


def on_pixels(model: nn.Module, normalisation: Normalisation) -> nn.Sequential:
    """Put a network's normalisation inside, so that what it takes are pixels in [0, 1].

    Args:
        model: takes normalised images `(N, C, H, W)`; it is held, not copied.
        normalisation: that it was trained with.

    Returns:
        A network on the model's device, in its mode, which gives of `bytes / 255` what the model
        gives of `imprint.data.normalise(bytes)`, to the bit.

    Examples:
        >>> model = on_pixels(nn.Identity(), Normalisation((0.5,), (0.25,)))
        >>> model(torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1, 1)).flatten()
        tensor([-2.,  0.,  2.])
    """
    inside = _Normalise(normalisation).to(device_of(model)).train(model.training)
    whole = nn.Sequential(OrderedDict(normalise=inside, model=model))
    whole.training = model.training
    return whole


def pixels_of(images: Tensor) -> Tensor:
    """Bring images to pixels in [0, 1].

    Args:
        images: `(N, C, H, W)`: uint8, or floats in [0, 1], which stay as they are.

    Returns:
        Floats; of bytes float32.

    Examples:
        >>> pixels_of(torch.tensor([[[[0, 255]]]], dtype=torch.uint8))
        tensor([[[[0., 1.]]]])
    """
    return images if images.is_floating_point() else images.float() / 255


def check_images(images: Tensor) -> None:
    """Check that images are pixels in [0, 1].

    Args:
        images: what was given.

    Raises:
        InvalidValueError: for another type, no image, or values out of range.

    Examples:
        >>> check_images(torch.full((1, 1, 2, 2), 255.0))
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: images: expected pixels in [0, 1], got 255 to 255; ...
    """
    if images.ndim < 2 or not images.is_floating_point() or not images.numel():
        got = f"{tuple(images.shape)} of {images.dtype}"
        raise InvalidValueError(f"images: expected floats (N, C, H, W), got {got}")
    low, high = (float(end) for end in images.aminmax())
    if not BOUNDS[0] <= low <= high <= BOUNDS[1]:
        raise InvalidValueError(
            f"images: expected pixels in [0, 1], got {low:.4g} to {high:.4g}; "
            "on_pixels puts a network's normalisation inside"
        )


def check_labels(images: Tensor, labels: Tensor) -> None:
    """Check that there is a label for each image.

    Args:
        images: `(N, …)`.
        labels: what was given.

    Raises:
        InvalidValueError: for another number or type, or a negative one.

    Examples:
        >>> check_labels(torch.zeros(2, 1, 4, 4), torch.tensor([0]))
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: labels: expected (2,) of torch.int64, ... got (1,) ...
    """
    if labels.shape != images.shape[:1] or labels.dtype != torch.int64:
        expected = f"({len(images)},) of torch.int64, one an image"
        got = f"{tuple(labels.shape)} of {labels.dtype}"
        raise InvalidValueError(f"labels: expected {expected}; got {got}")
    if len(labels) and int(labels.min()) < 0:
        raise InvalidValueError(f"labels: expected 0 or more, got {int(labels.min())}")


def check_epsilon(epsilon: float) -> None:
    """Check that an epsilon is a size that a perturbation of pixels can have.

    Args:
        epsilon: the largest change of a pixel.

    Raises:
        InvalidValueError: where it is not in [0, 1].

    Examples:
        >>> check_epsilon(8.0)
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: epsilon: expected a size in [0, 1], in pixel units, got 8
    """
    expected = "a size in [0, 1], in pixel units"
    if isinstance(epsilon, str | bool):
        raise InvalidValueError(f"epsilon: expected {expected}, got {epsilon!r}")
    if not 0 <= epsilon <= 1:
        raise InvalidValueError(f"epsilon: expected {expected}, got {epsilon:g}")
