"""A linear probe on signatures, trained alongside: what is easy from early maps alone."""

from typing import NamedTuple

import torch
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.ranks import ALONE, Ranks

__all__ = ["LinearProbe", "Moments", "batch_moments", "probe_step", "standardise"]

MOMENTUM = 0.9
EPSILON = 1e-5


class Moments(NamedTuple):
    """What a batch is standardised by.

    Attributes:
        mean: `(D,)`.
        variance: `(D,)`, with N as divisor.
        rows: N.
    """

    mean: Tensor
    variance: Tensor
    rows: int


def batch_moments(signatures: Tensor, *, ranks: Ranks = ALONE) -> Moments:
    """Take mean and variance of each entry of a batch's signatures.

    Args:
        signatures: `(N, D)`, float32.
        ranks: whose rows make up the batch.

    Returns:
        The moments of the joint batch, float32; zeros where it has no rows.

    Examples:
        >>> batch_moments(torch.tensor([[1.0, 5.0], [3.0, 5.0]]))
        Moments(mean=tensor([2., 5.]), variance=tensor([1., 0.]), rows=2)
    """
    if ranks.size == 1 and len(signatures):
        return Moments(*_mean_and_variance(signatures), len(signatures))
    # In float64 the difference of squares has lost less than float32 rounded off the signatures.
    wide = signatures.double()
    rows, total, squares = ranks.sum(wide.new_tensor(len(wide)), wide.sum(0), wide.square().sum(0))
    mean = total / rows.clamp_min(1)
    variance = (squares / rows.clamp_min(1) - mean.square()).clamp_min(0)
    return Moments(mean.float(), variance.float(), int(rows))


def _mean_and_variance(signatures: Tensor) -> tuple[Tensor, Tensor]:
    """Of each column; on a CPU var_mean goes down columns in four times the time of two passes."""
    if not signatures.is_cpu:
        variance, mean = torch.var_mean(signatures, dim=0, correction=0)
        return mean, variance
    wide = signatures.double()
    mean = wide.mean(0)
    return mean.float(), (wide - mean).square().mean(0).float()


def standardise(signatures: Tensor, moments: Moments) -> Tensor:
    """Bring each entry of a batch's signatures to mean 0 and standard deviation 1.

    Args:
        signatures: `(N, D)`, floats.
        moments: of the batch that they are of.

    Returns:
        `(N, D)`; an entry that is the same in all rows becomes 0.

    Source: batch norm without weights (Ioffe & Szegedy 2015).

    Examples:
        >>> signatures = torch.tensor([[1.0, 5.0], [3.0, 5.0]])
        >>> standardise(signatures, batch_moments(signatures)).round(decimals=3)
        tensor([[-1.,  0.],
                [ 1.,  0.]])
    """
    return (signatures - moments.mean) * (moments.variance + EPSILON).rsqrt()


def probe_step(
    inputs: Tensor, labels: Tensor, weight: Tensor, *, rows: int | None = None
) -> tuple[Tensor, Tensor]:
    """Softmax regression, by hand: each sample's cross-entropy, and the gradient of their mean.

    Args:
        inputs: `(N, D+1)`, floats, the last column all ones.
        labels: `(N,)`, int64, in `0 … K-1`.
        weight: `(D+1, K)`, floats.
        rows: what the sum of the samples' gradients is divided by; by default N.

    Returns:
        losses `(N,)` in nats, and the gradient `(D+1, K)`.

    Examples:
        >>> losses, _ = probe_step(torch.ones(1, 1), torch.tensor([0]), torch.zeros(1, 2))
        >>> losses  # ln 2
        tensor([0.6931])
    """
    log_share = (inputs @ weight).log_softmax(1)
    losses = -log_share.gather(1, labels[:, None])[:, 0]
    residual = log_share.exp_()
    residual[torch.arange(len(labels), device=labels.device), labels] -= 1
    return losses, inputs.T @ residual / (len(labels) if rows is None else rows)


class LinearProbe:
    """Batch norm and one linear layer on signatures, one gradient step a batch.

    It holds no random state: it starts at zero, where every class is equally likely.

    Args:
        num_classes: K.
        ranks: whose batches each step learns from, as one joint batch; by default this process's
            own. All then hold the same probe, and must make the same steps.

    Raises:
        InvalidValueError: for fewer than 2 classes.

    Examples:
        >>> probe = LinearProbe(2)
        >>> inputs, labels = torch.tensor([[1.0], [-1.0]]), torch.tensor([0, 1])
        >>> first = probe.step(inputs, labels).mean()
        >>> bool(probe.step(inputs, labels).mean() < first)
        True
    """

    def __init__(self, num_classes: int, *, ranks: Ranks = ALONE) -> None:
        if num_classes < 2:
            raise InvalidValueError(f"num_classes: expected at least 2, got {num_classes}")
        self.num_classes = num_classes
        self._ranks = ranks
        self._weight = torch.zeros(0, num_classes)
        self._velocity = torch.zeros(0, num_classes)

    @torch.no_grad()
    def step(self, signatures: Tensor, labels: Tensor) -> Tensor:
        """Give each sample's loss, then learn from the batch.

        Args:
            signatures: `(N, D)`, floats; rows that are not finite get a loss of NaN and teach
                nothing.
            labels: `(N,)`, int64, in `0 … K-1`.

        Returns:
            `(N,)`, cross-entropy in nats, from before the step.
        """
        finite = signatures.isfinite().all(1)
        if bool(finite.all()):
            return self._learn(signatures, labels)
        losses = torch.full_like(signatures[:, 0], torch.nan)
        learned = self._learn(signatures[finite], labels[finite])  # other ranks may have such rows
        losses[finite] = learned.to(losses.dtype)
        return losses

    def _learn(self, signatures: Tensor, labels: Tensor) -> Tensor:
        """Take a step on finite rows, which may be none, and give their losses."""
        moments = batch_moments(signatures.float(), ranks=self._ranks)
        if not moments.rows:
            return signatures[:, 0]
        standard = standardise(signatures.float(), moments)
        inputs = torch.nn.functional.pad(standard, (0, 1), value=1.0)
        if not len(self._weight):
            self._weight = inputs.new_zeros(inputs.shape[1], self.num_classes)
            self._velocity = torch.zeros_like(self._weight)
        losses, gradient = probe_step(inputs, labels, self._weight, rows=moments.rows)
        # The loss's curvature is at most (D + 1) / 2, so this rate is stable for any signatures.
        rate = 2 / inputs.shape[1]
        self._velocity.mul_(MOMENTUM).add_(self._ranks.sum(gradient)[0])
        self._weight.sub_(self._velocity, alpha=rate)
        return losses

    def state_dict(self) -> dict[str, Tensor]:
        """Copy the state: `weight` and `velocity`, each `(D+1, K)`, float32."""
        return {"weight": self._weight.clone(), "velocity": self._velocity.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take over a state that `state_dict` gave.

        Args:
            state: the two tensors by name.

        Raises:
            InvalidValueError: where one is missing or of another number of classes.
        """
        shapes = {
            name: tuple(state[name].shape) for name in ("weight", "velocity") if name in state
        }
        if [shape[1:] for shape in shapes.values()] != [(self.num_classes,)] * 2:
            expected = f"weight and velocity of {self.num_classes} classes"
            raise InvalidValueError(f"state: expected {expected}, got {shapes}")
        self._weight, self._velocity = state["weight"].clone(), state["velocity"].clone()
