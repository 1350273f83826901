"""Fit heads to features of known classes."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.early_exit.checks import check_classes
from imprint.early_exit.heads import Head, HeadKind, Hidden, check_kinds
from imprint.early_exit.perceptron import train_perceptron
from imprint.errors import InvalidValueError
from imprint.memory import class_sums

__all__ = ["fit_head"]

PENALTY = 1e-4
"""Weight decay of the regression, a sample."""

ITERATIONS = 100
"""Of L-BFGS at most; it has converged before that as a rule."""

DEAD = 1e-6
"""Deviations below are of entries that never change, and tell nothing."""

TEACHER = 0.5
"""Weight of the network's own answers beside the labels."""


def fit_head(
    features: Tensor,
    labels: Tensor,
    num_classes: int,
    kind: HeadKind,
    *,
    teacher: Tensor | None = None,
    seed: int = 0,
) -> Head:
    """Fit a head to features of known classes.

    Entries are first brought to mean 0 and deviation 1, which the head then does by itself. The
    prototypes are each class's mean, and the nearest one by euclidean distance answers, its
    distances put to the scale of log-probabilities; a probe is a softmax regression; a multilayer
    perceptron learns from the labels and from the network's own answers.

    Args:
        features: `(N, D)`, finite floats, of the kind's own sort.
        labels: `(N,)`, int64, in `0 … K-1`, each class at least once.
        num_classes: K.
        kind: `prototype`, `probe` or `mlp`.
        teacher: `(N, K)`, logits of the network's end; None leaves a perceptron the labels alone.
        seed: of a perceptron's first weights and of the order of its steps.

    Returns:
        The head, on the features' device.

    Raises:
        InvalidValueError: for an unknown kind, features that are not finite, or a class without
            a sample.

    Source: Park & Kim (2019) and E2CM (2022) for prototypes; Alain & Bengio (2016) for probes;
    Hinton, Vinyals & Dean (2015) for learning from a teacher.

    Examples:
        >>> features = torch.tensor([[0.0, 5.0], [1.0, 5.0], [4.0, 5.0], [5.0, 5.0]])
        >>> head = fit_head(features, torch.tensor([0, 0, 1, 1]), 2, "probe")
        >>> (features @ head.weight.T + head.bias).argmax(1)
        tensor([0, 0, 1, 1])
    """
    check_kinds([kind])
    _check(features, labels, num_classes)
    mean, scale = _standard(features)
    if kind == "mlp":
        wanted = _wanted(labels, num_classes, teacher)
        hidden, out = train_perceptron(
            lambda rows: (features[rows].float() - mean) * scale, wanted, features.shape[1], seed
        )
        return Head(*out, kind, Hidden(*_on_raw(*hidden, mean, scale)))
    standard = (features.float() - mean) * scale
    fit = _prototypes if kind == "prototype" else _regression
    return Head(*_on_raw(*fit(standard, labels, num_classes), mean, scale), kind)


def _standard(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and factor of each entry; 0 for one that never changes."""
    deviation, mean = torch.std_mean(features.float(), 0, correction=0)
    scale = torch.where(deviation > DEAD * mean.abs().clamp_min(DEAD), 1 / deviation, 0.0)
    return mean, scale


def _on_raw(weight: Tensor, bias: Tensor, mean: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """The same map, of entries as they are."""
    return weight * scale, bias - (weight * scale) @ mean


def _check(features: Tensor, labels: Tensor, num_classes: int) -> None:
    if not bool(features.isfinite().all()):
        raise InvalidValueError("features: expected finite values, got NaN or infinite ones")
    check_classes(labels, num_classes, "labels")


def _wanted(labels: Tensor, num_classes: int, teacher: Tensor | None) -> Tensor:
    """The probabilities to learn."""
    known = F.one_hot(labels, num_classes).float()
    return known if teacher is None else torch.lerp(known, teacher.float().softmax(1), TEACHER)


def _prototypes(rows: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """`-|x - μ|² / 2`, less what all classes share, times what makes it a log-probability."""
    means = class_sums(rows, labels, num_classes) / labels.bincount(minlength=num_classes)[:, None]
    means = means.float()
    bias = -means.square().sum(1) / 2
    scale = rows.new_zeros(()).requires_grad_()
    logits = rows @ means.T + bias
    _minimise([scale], lambda: F.cross_entropy(logits * scale.exp(), labels))
    factor = scale.detach().exp()
    return means * factor, bias * factor


def _regression(rows: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    weight = rows.new_zeros(num_classes, rows.shape[1]).requires_grad_()
    bias = rows.new_zeros(num_classes).requires_grad_()

    def loss() -> Tensor:
        return (
            F.cross_entropy(F.linear(rows, weight, bias), labels) + PENALTY * weight.square().sum()
        )

    _minimise([weight, bias], loss)
    return weight.detach(), bias.detach()


def _minimise(parameters: list[Tensor], loss: Callable[[], Tensor]) -> None:
    optimizer: Any = torch.optim.LBFGS(
        parameters, max_iter=ITERATIONS, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        torch.autograd.backward(value)
        return value

    with torch.enable_grad():
        optimizer.step(closure)
