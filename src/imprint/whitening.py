"""Where samples of one group lie close and groups apart: a linear map in closed form."""

from typing import NamedTuple

import torch
from torch import Tensor

from imprint.errors import InvalidValueError

__all__ = ["Whitening", "whiten_within"]

FLAT = 1e-6
"""Deviation of a number that does not vary; it is left as it is."""

FARTHEST = 3.0
"""Deviations from the mean at which a number is cut, so that no single one decides."""


TOGETHER = 4096
"""Samples that are held in float64 at a time."""


class Whitening(NamedTuple):
    """A map: features in deviations from the mean, cut at 3 of them, times a matrix.

    Attributes:
        mean: `(D,)`, of all samples.
        deviation: `(D,)`, likewise; above 0.
        matrix: `(K, D)`.
    """

    mean: Tensor
    deviation: Tensor
    matrix: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """Map features `(N, D)` to `(N, K)`."""
        return self.scaled(features) @ self.matrix.T

    def scaled(self, features: Tensor) -> Tensor:
        """Give features `(N, D)` in deviations from the mean, in [-3, 3]."""
        return _scaled(features, self.mean, self.deviation)


@torch.no_grad()
def whiten_within(
    features: Tensor, groups: Tensor, *, dimensions: int | None = None, shrinkage: float = 0.2
) -> Whitening:
    """Find the map in which samples of one group differ equally in all directions.

    What varies within groups, such as within tracks, counts for little then, and what stays for
    much. Groups count alike, however many samples they have; those of one sample have no part.

    Args:
        features: `(N, D)`, finite.
        groups: `(N,)`, int64, which group each is of.
        dimensions: K, the directions in which groups lie farthest apart; None for all D.
        shrinkage: of the covariance within groups towards a multiple of the identity, in (0, 1].

    Returns:
        The map, float32.

    Raises:
        InvalidValueError: where a number is not finite or out of range, or no group has two samples
            that differ.

    Source: Hatch, Kajarekar & Stolcke (2006), "Within-class covariance normalization for SVM-based
        speaker recognition"; Fisher (1936) for the directions.

    Examples:
        >>> features = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 1.0], [4.0, 1.0]])
        >>> found = whiten_within(features, torch.tensor([0, 0, 1, 1]), shrinkage=0.02)
        >>> found(features)  # the first number varies within groups, and counts for little
        tensor([[ -1.0050, -10.0000],
                [  1.0050, -10.0000],
                [ -1.0050,  10.0000],
                [  1.0050,  10.0000]])
    """
    if not bool(features.isfinite().all()):
        raise InvalidValueError("features: expected finite numbers, got some that are not")
    if not 0 < shrinkage <= 1:
        raise InvalidValueError(f"shrinkage: expected a value in (0, 1], got {shrinkage}")
    if features.ndim != 2 or groups.shape != features.shape[:1]:
        got = f"{tuple(features.shape)} and {tuple(groups.shape)}"
        raise InvalidValueError(f"features: expected (N, D) and groups (N,), got {got}")
    size = features.shape[1]
    if dimensions is not None and not 1 <= dimensions <= size:
        raise InvalidValueError(f"dimensions: expected 1 … {size}, got {dimensions}")
    mean, deviation = _moments(features)
    centres, within = _spread(features, mean, deviation, groups)
    level = float(within.diagonal().mean())
    if not level > 0:
        got = f"{len(groups.unique())} groups of {len(groups)} samples"  # type: ignore[no-untyped-call]
        raise InvalidValueError(f"groups: expected one with two samples that differ, got {got}")
    within = (1 - shrinkage) * within + shrinkage * level * torch.eye(size, dtype=torch.float64)
    matrix = torch.linalg.cholesky(torch.linalg.inv(within)).T
    if dimensions is not None:
        apart = (centres - centres.mean(0)) @ matrix.T
        _, directions = torch.linalg.eigh(apart.T @ apart)  # ascending
        matrix = directions.flip(1)[:, :dimensions].T @ matrix
    return Whitening(mean.float(), deviation.float(), matrix.float())


def _scaled(features: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    return ((features - mean) / deviation).clamp(-FARTHEST, FARTHEST)


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """The mean and deviation of each number, float64; 1 for the deviation of what does not vary."""
    parts = torch.split(features, TOGETHER)
    mean = torch.stack([some.double().sum(0) for some in parts]).sum(0) / len(features)
    squares = torch.stack([(some - mean).square().sum(0) for some in parts]).sum(0)
    deviation = (squares / len(features)).sqrt()
    return mean, deviation.where(deviation > FLAT, 1.0)


def _spread(
    features: Tensor, mean: Tensor, deviation: Tensor, groups: Tensor
) -> tuple[Tensor, Tensor]:
    """The mean of each group, and the covariance within groups, each counting alike."""
    _, places, counts = groups.unique(return_inverse=True, return_counts=True)  # type: ignore[no-untyped-call]
    size = features.shape[1]
    centres = mean.new_zeros(len(counts), size)
    parts = [*zip(torch.split(features, TOGETHER), torch.split(places, TOGETHER), strict=True)]
    for some, own in parts:
        centres.index_add_(0, own, _scaled(some, mean, deviation))
    centres /= counts[:, None]
    several = counts > 1
    weights = several / counts / several.sum().clamp(min=1)
    within = mean.new_zeros(size, size)
    for some, own in parts:
        rest = _scaled(some, mean, deviation) - centres[own]
        within += (rest * weights[own, None]).T @ rest
    return centres, within
