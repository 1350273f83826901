"""Adversarial images by captum's attacks, and noise of the same size to hold them against."""

import math
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from imprint.errors import InvalidValueError
from imprint.robustness.answers import as_deployed, logits_of
from imprint.robustness.extra import captum_robust
from imprint.robustness.losses import Loss, cross_entropy
from imprint.robustness.pixels import BOUNDS, check_epsilon, check_images, check_labels

__all__ = ["PGD_STEPS", "fgsm", "pgd", "sign_noise", "step_size_of"]

PGD_STEPS = 20
"""Steps where none are given."""


def fgsm(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    epsilon: float,
    loss: Loss = cross_entropy,
) -> Tensor:
    """Move each pixel by epsilon in the direction in which the loss grows (FGSM).

    Args:
        model: takes the images and gives logits; it runs in eval mode and is left as it was.
        images: `(N, C, H, W)`, floats in [0, 1].
        labels: `(N,)`, int64.
        epsilon: the largest change of a pixel, in [0, 1].
        loss: whose gradient is followed, of each image.

    Returns:
        `(N, C, H, W)`, in [0, 1]; with epsilon 0 the images.

    Raises:
        InvalidValueError: for images, labels or an epsilon out of range, or a model without logits.
        MissingExtraError: without `imprint[attack]`.

    Source: Goodfellow et al. (2015), "Explaining and harnessing adversarial examples", section 4.

    Examples:
        >>> image = torch.full((1, 2, 1, 1), 0.5)
        >>> fgsm(nn.Flatten(), image, torch.tensor([0]), epsilon=0.25).flatten()
        tensor([0.2500, 0.7500])
    """
    check_images(images)
    check_labels(images, labels)
    check_epsilon(epsilon)
    attack = captum_robust().FGSM(lambda leaf: logits_of(model, leaf), _summed(loss))
    attack.zero_thresh = 0.0  # captum's own, 1e-6, would spare what a network is sure of
    if epsilon == 0:
        return images.detach().clone()
    with as_deployed(model):  # clones made here can be differentiated, whatever mode surrounds it
        attack.bound = _ball(images, epsilon)
        leaf = images.detach().clone().requires_grad_()  # captum would set it, and warn
        result: Tensor = attack.perturb(leaf, epsilon, labels.clone())
        return result.detach()


def pgd(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    epsilon: float,
    steps: int = PGD_STEPS,
    step_size: float | None = None,
    generator: torch.Generator | None = None,
    loss: Loss = cross_entropy,
) -> Tensor:
    """Take many small steps in which the loss grows, none further than epsilon (PGD).

    The images after the last step are given, as they are, fooled or not.

    Args:
        model: takes the images and gives logits; it runs in eval mode and is left as it was.
        images: `(N, C, H, W)`, floats in [0, 1].
        labels: `(N,)`, int64.
        epsilon: the largest change of a pixel, in [0, 1].
        steps: at least 1.
        step_size: change of a pixel in one step, in (0, 1]; None takes 2.5 epsilon / steps.
        generator: on the CPU; draws where within epsilon each image starts. None starts at the
            image itself.
        loss: whose gradient is followed, of each image.

    Returns:
        `(N, C, H, W)`, in [0, 1]; with epsilon 0 the images.

    Raises:
        InvalidValueError: for images, labels, epsilon, steps or a step size out of range, or a
            model without logits.
        MissingExtraError: without `imprint[attack]`.

    Source: Madry et al. (2018), "Towards deep learning models resistant to adversarial attacks",
    equation 2.1 and, for the step size, appendix B.

    Examples:
        >>> image = torch.full((1, 2, 1, 1), 0.5)
        >>> pgd(nn.Flatten(), image, torch.tensor([0]), epsilon=0.25).flatten()
        tensor([0.2500, 0.7500])
    """
    check_images(images)
    check_labels(images, labels)
    size = step_size_of(epsilon, steps, step_size)
    attack = captum_robust().PGD(lambda leaf: logits_of(model, leaf), _summed(loss))
    attack.fgsm.zero_thresh = 0.0
    with as_deployed(model), warnings.catch_warnings():
        attack.bound = ball = _ball(images, epsilon)
        warnings.filterwarnings("ignore", "Input Tensor 0 did not already require", UserWarning)
        # captum would draw the start from the global random state. So it is given one, which it
        # takes for the centre: any radius will do, as the ball around the true one is in `bound`.
        start = ball(images.detach() + epsilon * uniform_noise(images, generator))
        result: Tensor = (
            start if epsilon == 0 else attack.perturb(start, math.inf, size, steps, labels.clone())
        )
        return result.detach()


def sign_noise(images: Tensor, *, epsilon: float, generator: torch.Generator) -> Tensor:
    """Move each pixel by epsilon up or down, by chance: what an attack is to be held against.

    Args:
        images: `(N, C, H, W)`, floats in [0, 1].
        epsilon: the change of each pixel, in [0, 1].
        generator: on the CPU.

    Returns:
        `(N, C, H, W)`, in [0, 1].

    Raises:
        InvalidValueError: for images or an epsilon out of range.

    Examples:
        >>> image = torch.full((1, 1, 1, 3), 0.5)
        >>> noisy = sign_noise(image, epsilon=0.25, generator=torch.Generator().manual_seed(0))
        >>> (noisy - image).abs().flatten()
        tensor([0.2500, 0.2500, 0.2500])
    """
    check_images(images)
    check_epsilon(epsilon)
    up = uniform_noise(images, generator) >= 0
    return (images + torch.where(up, epsilon, -epsilon)).clamp(*BOUNDS)


def step_size_of(epsilon: float, steps: int, step_size: float | None) -> float:
    """Give the size of a PGD step, checked.

    Args:
        epsilon: the largest change of a pixel, in [0, 1].
        steps: at least 1.
        step_size: in (0, 1], or None.

    Returns:
        The size, or 2.5 epsilon / steps, with which the far side of the ball can be reached.

    Raises:
        InvalidValueError: for a value out of range.

    Examples:
        >>> step_size_of(0.2, 20, None)
        0.025
    """
    check_epsilon(epsilon)
    if steps < 1:
        raise InvalidValueError(f"steps: expected at least 1, got {steps}")
    if step_size is None:
        return 2.5 * epsilon / steps
    if not 0 < step_size <= 1:
        raise InvalidValueError(f"step_size: expected in (0, 1], got {step_size:g}")
    return step_size


def uniform_noise(images: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw noise for images on the CPU, in their order, so that batches draw what all would.

    Args:
        images: `(N, C, H, W)`, floats.
        generator: on the CPU; None gives zeros.

    Returns:
        `(N, C, H, W)`, in [-1, 1), on the images' device.

    Examples:
        >>> uniform_noise(torch.rand(1, 1, 1, 2), None)
        tensor([[[[0., 0.]]]])
    """
    if generator is None:
        return torch.zeros_like(images)
    drawn = torch.rand(images.shape, generator=generator, dtype=torch.float32)
    return (2 * drawn - 1).to(images)


def _summed(loss: Loss) -> Loss:
    """A loss as captum takes it, as one number: each image's gradient is still its own."""
    return lambda logits, labels: loss(logits, labels).sum()[None]


def _ball(images: Tensor, epsilon: float) -> Callable[[Tensor], Tensor]:
    """What brings images back to those within epsilon of these, and to valid pixels."""
    centre = images.detach().clone()
    low, high = (centre - epsilon).clamp_min(BOUNDS[0]), (centre + epsilon).clamp_max(BOUNDS[1])
    return lambda moved: torch.minimum(torch.maximum(moved, low), high)
