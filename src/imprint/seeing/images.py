"""What is looked at: images that are checked, streams of batches, and a model's answer to them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from imprint.errors import ImprintError, InvalidValueError
from imprint.outputs import first_tensor
from imprint.taps import check_hooks

__all__ = [
    "answers",
    "check_classes",
    "check_images",
    "check_targets",
    "image_batches",
    "told_as_misfit",
]

FLOATS = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
"""Types of weights that images are brought to."""

GUESTS_MISTAKES = (
    *(RuntimeError, ValueError, TypeError, AssertionError),
    *(LookupError, AttributeError, ArithmeticError),
)
"""What a model's own code raises on images, or on being called with them."""


def check_images(model: nn.Module, images: Tensor, *, finite: bool = True) -> Tensor:
    """Check a batch of images, and bring it to the model's device and floating type.

    Args:
        model: any `nn.Module`; its first parameters tell the device and the type.
        images: `(N, C, H, W)`, floats, N at least 1.
        finite: whether NaN and infinite pixels are refused.

    Returns:
        The same images, without a gradient's history.

    Raises:
        InvalidValueError: for another shape or type, no image, pixels that are no numbers, or a
            scripted model, which takes no hooks.

    Examples:
        >>> check_images(nn.Conv2d(3, 4, 1).half(), torch.zeros(2, 3, 8, 8)).dtype
        torch.float16
    """
    for part in model.modules():
        check_hooks(part)
    fits = isinstance(images, Tensor) and images.is_floating_point() and images.ndim == 4
    if not fits or 0 in images.shape:
        shown = getattr(images, "shape", None)
        got = type(images).__name__ if shown is None else f"{tuple(shown)} of {images.dtype}"
        raise InvalidValueError(f"images: expected floats (N, C, H, W), at least one; got {got}")
    if finite and not bool(images.isfinite().all()):
        raise InvalidValueError("images: expected finite pixels, got NaN or infinity among them")
    return _brought(images.detach(), model)


def _brought(images: Tensor, model: nn.Module) -> Tensor:
    """Images where the model is, in the floating type of its weights."""
    parameter = next(model.parameters(), None)
    floating = next((each.dtype for each in model.parameters() if each.dtype in FLOATS), None)
    return images.to(
        images.device if parameter is None else parameter.device, floating or images.dtype
    )


def check_targets(targets: Tensor | int, images: Tensor) -> Tensor:
    """Check the classes that are asked for, one an image.

    Args:
        targets: `(N,)`, int64, or one class for all images.
        images: `(N, C, H, W)`.

    Returns:
        `(N,)`, int64, on the images' device.

    Raises:
        InvalidValueError: for another shape or type.

    Examples:
        >>> check_targets(3, torch.zeros(2, 1, 4, 4))
        tensor([3, 3])
    """
    rows = torch.as_tensor(targets, device=images.device)
    if (
        rows.is_floating_point()
        or rows.dtype == torch.bool
        or rows.shape not in ((), (len(images),))
    ):
        got = f"{tuple(rows.shape)} of {rows.dtype}"
        raise InvalidValueError(f"targets: expected a class or ({len(images)},) of them, got {got}")
    return rows.to(torch.int64).expand(len(images)).clone()


def answers(model: nn.Module, images: Tensor) -> Tensor:
    """Run a model and give its logits.

    Args:
        model: any `nn.Module`; what it puts out is a tensor, or holds one within a tuple or dict.
        images: `(N, C, H, W)`.

    Returns:
        `(N, K)`.

    Raises:
        InvalidValueError: where the model does not take the images, or gives something else.

    Examples:
        >>> answers(nn.Flatten(), torch.zeros(2, 1, 2, 2)).shape
        torch.Size([2, 4])
    """
    with told_as_misfit(images):
        logits = first_tensor(model(images.clone()), "the model")  # it may work in place
    if logits.ndim != 2 or len(logits) != len(images):
        got = tuple(logits.shape)
        raise InvalidValueError(f"model: expected logits ({len(images)}, K) from it, got {got}")
    return logits


def check_classes(logits: Tensor, targets: Tensor) -> None:
    """Check that a model has the classes that are asked for.

    Args:
        logits: `(N, K)`.
        targets: int64.

    Raises:
        InvalidValueError: for a class outside of `0 … K-1`.

    Examples:
        >>> check_classes(torch.zeros(1, 10), torch.tensor([9]))
    """
    lowest, highest, classes = int(targets.min()), int(targets.max()), logits.shape[1]
    if not 0 <= lowest <= highest < classes:
        got = f"{lowest} … {highest}"
        raise InvalidValueError(f"targets: expected classes in 0 … {classes - 1}, got {got}")


@contextmanager
def told_as_misfit(images: Tensor) -> Iterator[None]:
    """Turn what a model raises on images that it cannot take into an error that names them.

    Args:
        images: `(N, C, H, W)`, what the model is run on.

    Yields:
        Nothing.

    Raises:
        InvalidValueError: in place of whatever a user's own code raises; its cause is kept.

    Examples:
        >>> with told_as_misfit(torch.zeros(1, 1, 2, 2)):
        ...     nn.Conv2d(3, 4, 3)(torch.zeros(1, 1, 2, 2))
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: images: expected what the model takes, got (1, 1, 2, 2)...
    """
    try:
        yield
    except (ImprintError, torch.OutOfMemoryError):
        raise
    except GUESTS_MISTAKES as error:
        told = str(error).partition("\n")[0] or "no word of why"
        if not isinstance(error, RuntimeError | ValueError):
            told = f"{type(error).__name__}: {told}"
        got = f"{tuple(images.shape)} of {images.dtype}: {told}"
        raise InvalidValueError(f"images: expected what the model takes, got {got}") from error


def image_batches(
    model: nn.Module, batches: Iterable[Any], *, first_index: int = 0, finite: bool = True
) -> Iterator[tuple[Tensor, Tensor]]:
    """Give the images of each batch with their places in the data set.

    Args:
        model: any `nn.Module`; the images are brought to its device.
        batches: tensors `(N, C, H, W)`, tuples or lists of which that is the first, or
            `imprint.data.Batch`, which carries the places itself.
        first_index: the place of the first image, where batches carry none.
        finite: whether NaN and infinite pixels are refused.

    Yields:
        index `(N,)`, int64, on the CPU, and images `(N, C, H, W)`.

    Raises:
        InvalidValueError: where there is no batch, or what comes is no batch of images.

    Examples:
        >>> loader = [torch.zeros(2, 1, 4, 4), torch.zeros(1, 1, 4, 4)]
        >>> [index.tolist() for index, _ in image_batches(nn.Identity(), loader)]
        [[0, 1], [2]]
    """
    seen = 0
    for batch in batches:
        index, images = _parts(batch)
        images = check_images(model, images, finite=finite)
        if index is None:
            index = torch.arange(len(images)) + first_index + seen
        seen += len(images)
        yield index.cpu(), images
    if not seen:
        raise InvalidValueError("batches: expected at least one, got none")


def _parts(batch: Any) -> tuple[Tensor | None, Any]:
    """The places, where a batch carries them, and the images."""
    if hasattr(batch, "images"):
        index = getattr(batch, "index", None)  # a plain tuple's `index` is a method
        return (index if isinstance(index, Tensor) else None), batch.images
    return None, batch[0] if isinstance(batch, tuple | list) and batch else batch
