"""KAKURENBO: what is surely right is hidden for an epoch, while the learning rate rises."""

import math

import torch
from torch import Tensor

from imprint.errors import InvalidValueError

__all__ = ["fraction_at", "hide", "rate_factor"]

STEPS = ((1 / 3, 1.0), (2 / 3, 0.8), (8 / 9, 0.6), (1.0, 0.4))
"""Shares of the fraction, each up to a share of training: epochs 30, 60, 80 of ImageNet's 90."""

ROUNDING = 1e-9


def hide(losses: Tensor, *, fraction: float, confidence: float = 0.7) -> Tensor:
    """Hide the samples of the lowest losses, but for those that are not surely right.

    Candidates are the `⌊fraction·N⌋` of the lowest losses. Of these, samples that are not predicted
    rightly with at least the given confidence move back. The cross-entropy of a sample without
    label smoothing tells it all: the confidence in the true class is `exp(-loss)`, and above one
    half the true class is the predicted one. With smoothed labels, mixed images or class weights
    this does not hold.

    KAKURENBO passes the hidden samples forward after each epoch to learn their losses anew. Its
    authors' code hides all that tie with the last candidate; here no more than the fraction is
    hidden, ties going by place.

    Args:
        losses: `(N,)`, floats, each sample's last known loss in nats; infinite or NaN where it is
            unknown, which is never hidden.
        fraction: the share of samples that may be hidden, in [0, 1); published between 0.1 and 0.4.
        confidence: the least probability of the true class, in (0.5, 1].

    Returns:
        hidden `(N,)`, bool.

    Raises:
        InvalidValueError: for a value out of range.

    Source: Nguyen et al., KAKURENBO (NeurIPS 2023), arXiv 2310.10102; TruongThaoNguyen/kakurenbo.

    Examples:
        >>> losses = torch.tensor([0.1, 0.6, 0.5, 0.2])  # right with 0.90, 0.55, 0.61, 0.82
        >>> hide(losses, fraction=0.25)
        tensor([ True, False, False, False])
        >>> hide(losses, fraction=0.75)
        tensor([ True, False, False,  True])
    """
    _check_fraction(fraction)
    if not 0.5 < confidence <= 1:
        raise InvalidValueError(f"confidence: expected a value in (0.5, 1], got {confidence}")
    count = math.floor(fraction * len(losses) + ROUNDING)
    candidates = losses.argsort(stable=True)[:count]
    sure = losses <= -math.log(confidence)
    return torch.zeros_like(sure).index_fill_(0, candidates, value=True) & sure


def fraction_at(progress: float, *, fraction: float) -> float:
    """Give the fraction that may be hidden at a point of training: it falls in three steps.

    As published for ImageNet's 90 epochs: all of it until epoch 30, then 0.8 of it until 60, 0.6
    until 80, 0.4 to the end. For CIFAR-100's 200 epochs the steps come at 60, 120 and 160.

    Args:
        progress: the share of training that is done, in [0, 1]; past its end, as at it.
        fraction: at the start, in [0, 1).

    Returns:
        The fraction, in [0, 1).

    Raises:
        InvalidValueError: for a fraction out of range.

    Source: Nguyen et al., KAKURENBO (NeurIPS 2023); the authors' `adjust_fraction`.

    Examples:
        >>> [round(fraction_at(epoch / 90, fraction=0.3), 2) for epoch in (0, 29, 30, 60, 80)]
        [0.3, 0.3, 0.24, 0.18, 0.12]
    """
    _check_fraction(fraction)
    # 60 / 90 may fall short of 2 / 3 in its last bit, and means the same epoch.
    left = (share for end, share in STEPS if progress < end - ROUNDING)
    return fraction * next(left, STEPS[-1][1])


def rate_factor(fraction: float) -> float:
    """Give what the learning rate is multiplied by: `1 / (1 - F)`, for the steps that are missing.

    The authors' code takes for F what `fraction_at` gives, not the share in truth hidden, and
    leaves the rate alone while it warms up (5 epochs of 90).

    Args:
        fraction: F, in [0, 1).

    Returns:
        The factor, at least 1.

    Raises:
        InvalidValueError: for a fraction out of range.

    Source: Nguyen et al., KAKURENBO (NeurIPS 2023); the authors' `adjust_learning_rate`.

    Examples:
        >>> rate_factor(0.2)
        1.25
    """
    _check_fraction(fraction)
    return 1 / (1 - fraction)


def _check_fraction(fraction: float) -> None:
    if not 0 <= fraction < 1:
        raise InvalidValueError(f"fraction: expected a share in [0, 1), got {fraction}")
