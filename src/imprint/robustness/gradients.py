"""The gradient that an attack climbs: whether there is one at all."""

import torch
from torch import Tensor, nn

from imprint.errors import ImprintError, InvalidValueError
from imprint.robustness.answers import as_deployed, logits_of
from imprint.robustness.losses import Loss, cross_entropy, log_odds

__all__ = ["check_attackable", "input_gradients"]


def input_gradients(
    model: nn.Module, images: Tensor, labels: Tensor, *, loss: Loss = cross_entropy
) -> Tensor:
    """Give the gradient of the loss for each pixel, which attacks follow.

    An image whose gradient is zero everywhere cannot be attacked by it. Its answer came by a branch
    without a gradient, as of a cache, or its loss is rounded to zero; that the attack fails proves
    nothing.

    Args:
        model: takes the images and gives logits; it runs in eval mode and is left as it was.
        images: `(N, C, H, W)`, floats in [0, 1].
        labels: `(N,)`, int64.
        loss: of each image.

    Returns:
        `(N, C, H, W)`.

    Raises:
        InvalidValueError: where no gradient leads from the logits to the images.

    Examples:
        >>> input_gradients(nn.Flatten(), torch.zeros(1, 2, 1, 1), torch.tensor([0])).flatten()
        tensor([-0.5000,  0.5000])
    """
    with as_deployed(model):
        leaf = images.detach().clone().requires_grad_()
        total = loss(logits_of(model, leaf), labels.clone()).sum()
        known = total.requires_grad
        found = torch.autograd.grad(total, leaf, allow_unused=True)[0] if known else None
    if found is None:
        raise InvalidValueError(
            "model: expected logits with a gradient to its input, got none: they are detached, or "
            "come from argmax or the like; attack a network that leads there by gradients, and "
            "judge this one on its images"
        )
    return found


def check_attackable(
    model: nn.Module, images: Tensor, labels: Tensor, *, classes: int | None = None
) -> None:
    """Check with a few images that a network can be attacked by its gradient.

    Args:
        model: as for `input_gradients`.
        images: `(N, C, H, W)`, floats in [0, 1].
        labels: `(N,)`, int64.
        classes: K, the logits that it must give; None for as many as the labels need.

    Raises:
        InvalidValueError: for a network that does not take the images, gives other logits, or has
            no gradient to its input, one that is zero for all images, or one that is no number.

    Examples:
        >>> class Rounded(nn.Flatten):
        ...     def forward(self, images):
        ...         return super().forward(images).round()
        >>> check_attackable(Rounded(), torch.zeros(1, 2, 1, 1), torch.tensor([0]))
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: model: expected a gradient to its input, got zero ...
    """
    given = _classes(model, images)
    if given != (classes or given):
        raise InvalidValueError(f"model: expected {classes} logits, one a class; got {given}")
    if not 0 <= int(labels.min()) <= int(labels.max()) < given:
        got = f"{int(labels.min())} to {int(labels.max())}"
        raise InvalidValueError(f"labels: expected 0 to {given - 1}, as the model has; got {got}")
    gradients = input_gradients(model, images, labels, loss=log_odds)
    if not bool(gradients.isfinite().all()):
        raise InvalidValueError("model: expected a finite gradient to its input, got NaN or inf")
    if not bool(gradients.any()):
        raise InvalidValueError(
            f"model: expected a gradient to its input, got zero in all pixels of {len(images)} "
            "images, as rounding or a step within it gives; attack a network without that, and "
            "judge this one on its images"
        )


def _classes(model: nn.Module, images: Tensor) -> int:
    """How many logits a network gives; an error names the images that it does not take."""
    try:
        with as_deployed(model), torch.no_grad():
            return logits_of(model, images).shape[1]
    except ImprintError:
        raise
    except Exception as error:  # the network is the user's, and may raise anything
        reason = " ".join(str(error).split())[:200]
        expected = f"a network for images {tuple(images.shape[1:])} of {images.dtype}"
        raise InvalidValueError(f"model: expected {expected}, {reason}") from error
