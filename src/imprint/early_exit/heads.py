"""What answers at an exit: a linear map from features of a layer's maps to logits."""

from collections.abc import Callable, Collection
from typing import Any, Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.memory import class_sums
from imprint.signatures import signature

__all__ = [
    "FEATURES",
    "HEAD_KINDS",
    "Head",
    "HeadKind",
    "check_kinds",
    "features_of",
    "fit_head",
    "grid_means",
    "head_logits",
    "margins",
]

HeadKind = Literal["prototype", "probe", "grid"]
"""Who answers: the nearest class prototype or a softmax regression on the signature, or a
regression on the means of a grid of places."""

HEAD_KINDS: tuple[HeadKind, ...] = get_args(HeadKind)

PENALTY = 1e-4
"""Weight decay of the regression, a sample."""

STEPS = 100
"""Iterations of L-BFGS at most; it has converged before that as a rule."""

DEAD = 1e-6
"""Deviations below are of entries that never change, and tell nothing."""


GRID = 4
"""Places a side, over which maps are averaged."""


class Head(NamedTuple):
    """A linear map from features to logits.

    Attributes:
        weight: `(K, D)`, float32.
        bias: `(K,)`, float32.
        kind: which says of what features.
    """

    weight: Tensor
    bias: Tensor
    kind: HeadKind = "probe"

    def to(self, device: torch.device) -> "Head":
        """Move it to a device.

        Args:
            device: where the maps are.

        Returns:
            The head there.
        """
        return self._replace(weight=self.weight.to(device), bias=self.bias.to(device))


def grid_means(maps: Tensor) -> Tensor:
    """Average each channel over a grid of 4 by 4 places.

    Args:
        maps: `(N, C, H, W)`, tokens `(N, L, D)`, of which the grid has 4 places, or vectors.

    Returns:
        `(N, 16·C)`, `(N, 4·D)` or `(N, D)`, float32.

    Examples:
        >>> grid_means(torch.ones(2, 3, 8, 8)).shape
        torch.Size([2, 48])
    """
    if maps.ndim == 2:
        return maps.float()
    if maps.ndim == 3:
        return F.adaptive_avg_pool1d(maps.transpose(1, 2).float(), GRID).flatten(1)
    return F.adaptive_avg_pool2d(maps, GRID).flatten(1).float()


def features_of(maps: Tensor, kind: HeadKind) -> Tensor:
    """Take what a head looks at.

    Args:
        maps: a layer's output.
        kind: of the head.

    Returns:
        `(N, D)`, float32.

    Examples:
        >>> maps = torch.ones(2, 3, 8, 8)
        >>> features_of(maps, "probe").shape, features_of(maps, "grid").shape
        (torch.Size([2, 6]), torch.Size([2, 48]))
    """
    return FEATURES[kind](maps)


FEATURES: dict[HeadKind, Callable[[Tensor], Tensor]] = {
    "prototype": signature,
    "probe": signature,
    "grid": grid_means,
}
"""What each kind of head looks at."""


def check_kinds(kinds: Collection[str]) -> None:
    """Check the names of kinds of heads.

    Args:
        kinds: the names.

    Raises:
        InvalidValueError: for one that is unknown, or none.

    Examples:
        >>> check_kinds(["best"])
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: head: expected prototype, probe, grid, got 'best'
    """
    unknown = [kind for kind in kinds if kind not in HEAD_KINDS]
    if unknown or not kinds:
        got = repr(unknown[0]) if unknown else "none"
        raise InvalidValueError(f"head: expected {', '.join(HEAD_KINDS)}, got {got}")


def head_logits(maps: Tensor, head: Head) -> Tensor:
    """Answer from a layer's maps.

    Args:
        maps: `(N, C, H, W)`, `(N, L, D)` or `(N, D)`.
        head: fitted to features of this layer, on the same device.

    Returns:
        Logits `(N, K)`, float32; NaN where the maps hold NaN.

    Examples:
        >>> head = Head(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.zeros(2))
        >>> head_logits(torch.tensor([[[[1.0, -3.0]]]]), head)
        tensor([[2., 1.]])
    """
    return F.linear(features_of(maps, head.kind), head.weight, head.bias)


def margins(logits: Tensor) -> Tensor:
    """Say how sure answers are: by how much the highest logit leads the next one.

    Args:
        logits: `(N, K)`, K at least 2.

    Returns:
        `(N,)`, at least 0; NaN where a logit is NaN or both are infinite.

    Examples:
        >>> margins(torch.tensor([[1.0, 4.0, 3.5]]))
        tensor([0.5000])
    """
    highest = logits.topk(2, dim=1).values
    return highest[:, 0] - highest[:, 1]


def fit_head(features: Tensor, labels: Tensor, num_classes: int, kind: HeadKind) -> Head:
    """Fit a head to features of known classes.

    Entries are first brought to mean 0 and deviation 1, which the head then does by itself. The
    prototypes are each class's mean, and the nearest one by euclidean distance answers, its
    distances put to the scale of log-probabilities; the others are softmax regressions.

    Args:
        features: `(N, D)`, finite floats, of the kind's own sort.
        labels: `(N,)`, int64, in `0 … K-1`, each class at least once.
        num_classes: K.
        kind: `prototype`, `probe` or `grid`.

    Returns:
        The head, on the features' device.

    Raises:
        InvalidValueError: for an unknown kind, features that are not finite, or a class without
            a sample.

    Source: Park & Kim (2019) and E2CM (2022) for prototypes; Alain & Bengio (2016) for probes.

    Examples:
        >>> features = torch.tensor([[0.0, 5.0], [1.0, 5.0], [4.0, 5.0], [5.0, 5.0]])
        >>> head = fit_head(features, torch.tensor([0, 0, 1, 1]), 2, "probe")
        >>> (features @ head.weight.T + head.bias).argmax(1)
        tensor([0, 0, 1, 1])
    """
    check_kinds([kind])
    _check(features, labels, num_classes)
    mean, deviation = features.mean(0), features.std(0, correction=0)
    scale = torch.where(deviation > DEAD * mean.abs().clamp_min(DEAD), 1 / deviation, 0.0)
    standard = ((features - mean) * scale).float()
    fit = _prototypes if kind == "prototype" else _regression
    weight, bias = fit(standard, labels, num_classes)
    return Head(weight * scale, bias - (weight * scale) @ mean, kind)


def _check(features: Tensor, labels: Tensor, num_classes: int) -> None:
    if not bool(features.isfinite().all()):
        raise InvalidValueError("features: expected finite values, got NaN or infinite ones")
    missing = (labels.bincount(minlength=num_classes)[:num_classes] == 0).nonzero()[:, 0].tolist()
    if missing:
        raise InvalidValueError(
            f"labels: expected each of {num_classes} classes at least once, got none of {missing}"
        )


def _prototypes(rows: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """`-|x - μ|² / 2`, less what all classes share, times what makes it a log-probability."""
    means = class_sums(rows, labels, num_classes) / labels.bincount(minlength=num_classes)[:, None]
    means = means.float()
    bias = -means.square().sum(1) / 2
    scale = torch.zeros((), requires_grad=True, device=rows.device)
    logits = rows @ means.T + bias
    _minimise([scale], lambda: F.cross_entropy(logits * scale.exp(), labels))
    factor = scale.detach().exp()
    return means * factor, bias * factor


def _regression(rows: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    weight = torch.zeros(num_classes, rows.shape[1], device=rows.device, requires_grad=True)
    bias = torch.zeros(num_classes, device=rows.device, requires_grad=True)

    def loss() -> Tensor:
        return (
            F.cross_entropy(F.linear(rows, weight, bias), labels) + PENALTY * weight.square().sum()
        )

    _minimise([weight, bias], loss)
    return weight.detach(), bias.detach()


def _minimise(parameters: list[Tensor], loss: Callable[[], Tensor]) -> None:
    optimizer: Any = torch.optim.LBFGS(parameters, max_iter=STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        torch.autograd.backward(value)
        return value

    with torch.enable_grad():
        optimizer.step(closure)
