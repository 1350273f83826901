"""Occlusion: how far a class's probability falls when a patch of pixels is covered."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from imprint.errors import InvalidValueError
from imprint.seeing.extra import captum_attr
from imprint.seeing.images import answers, check_classes, check_images, check_targets
from imprint.taps import guest

__all__ = ["Score", "occlusion"]

Score = Literal["probability", "logit"]
"""What is watched while pixels are covered: the class's softmax, or its logit."""


def occlusion(
    model: nn.Module,
    images: Tensor,
    targets: Tensor | int,
    *,
    patch: int | tuple[int, int] = 5,
    stride: int | tuple[int, int] = 1,
    fill: float | Sequence[float] = 0.0,
    score: Score = "probability",
    batch_size: int = 64,
) -> Tensor:
    """Map how much a class's probability falls when the pixels around a place are covered.

    A patch slides over the image; where the last step leaves a rest, a smaller patch covers it. A
    pixel's value is the mean, over all patches that cover it, of the score of the image as it is
    less the score with the patch covered: positive where the model needs what was there. It is
    captum's `Occlusion`, on several places at once.

    Args:
        model: any `nn.Module` that gives logits `(N, K)`; it runs in eval mode without gradients
            and is left as it was.
        images: `(N, C, H, W)`, floats, finite, as the model takes them.
        targets: `(N,)`, int64, the class that is watched in each image, or one for all.
        patch: height and width of the patch in pixels, or one for both.
        stride: steps down and to the right, at most as large as the patch.
        fill: the value of covered pixels, or one a channel; with normalised images, 0 is the mean.
        score: `probability`, the paper's, or `logit`.
        batch_size: covered images that run together.

    Returns:
        `(N, H, W)`, float32; in [-1, 1] for probabilities.

    Raises:
        InvalidValueError: for images that the model does not take, a class that it does not have,
            a patch larger than the image, or a stride larger than the patch.
        MissingExtraError: without `imprint[see]`.

    Source: Zeiler & Fergus (2014), section 4.2.

    Examples:
        >>> model = nn.Flatten()  # a class a pixel
        >>> image = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
        >>> occlusion(model, image, 3, patch=1, score="logit")
        tensor([[[0., 0.],
                 [0., 4.]]])
    """
    images = check_images(model, images)
    rows = check_targets(targets, images)
    window, steps = _check_patch(images, patch, stride)
    covered = _check_fill(images, fill)
    if score not in get_args(Score) or batch_size < 1:
        got = f"{score!r} and {batch_size}"
        raise InvalidValueError(f"score, batch_size: expected {get_args(Score)} and 1 …; got {got}")
    sliding: Any = captum_attr().Occlusion(_scorer(model, score))
    with guest(model), torch.no_grad():
        check_classes(answers(model, images[:1]), rows)
        maps = [
            sliding.attribute(
                image[None],
                target=int(row),
                baselines=covered,
                sliding_window_shapes=(images.shape[1], *window),
                strides=(images.shape[1], *steps),
                perturbations_per_eval=batch_size,
            )
            for image, row in zip(images, rows, strict=True)
        ]
    return torch.cat(maps)[:, 0].float()


def _scorer(model: nn.Module, score: Score) -> Callable[[Tensor], Tensor]:
    """The score of each class, `(N, K)`."""

    def run(images: Tensor) -> Tensor:
        laid_out = images.contiguous(memory_format=torch.channels_last)  # a third less time
        logits = answers(model, laid_out)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return logits.softmax(1) if score == "probability" else logits

    return run


def _check_patch(
    images: Tensor, patch: int | tuple[int, int], stride: int | tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Patch and stride, each as height and width."""
    window, steps = _pair(patch), _pair(stride)
    size = images.shape[2:]
    if not all(1 <= side <= whole for side, whole in zip(window, size, strict=True)):
        raise InvalidValueError(f"patch: expected 1 … {tuple(size)}, the image, got {window}")
    if not all(1 <= step <= side for step, side in zip(steps, window, strict=True)):
        raise InvalidValueError(f"stride: expected 1 … {window}, the patch, got {steps}")
    return window, steps


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


def _check_fill(images: Tensor, fill: float | Sequence[float]) -> Tensor:
    """What covered pixels show, `(1, C, 1, 1)` spread over an image's shape."""
    values = torch.as_tensor(fill, dtype=images.dtype, device=images.device)
    channels = images.shape[1]
    if values.shape not in ((), (channels,)) or not bool(values.isfinite().all()):
        raise InvalidValueError(f"fill: expected a finite number or {channels} of them, got {fill}")
    return values.reshape(1, -1, 1, 1).expand(1, *images.shape[1:])
