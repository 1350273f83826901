"""A linear probe on signatures, trained alongside: what is easy from early maps alone."""

import torch
from torch import Tensor

from imprint.errors import InvalidValueError

__all__ = ["LinearProbe", "probe_step", "standardise"]

MOMENTUM = 0.9
EPSILON = 1e-5


def standardise(signatures: Tensor) -> Tensor:
    """Bring each entry of a batch's signatures to mean 0 and standard deviation 1.

    Args:
        signatures: `(N, D)`, floats.

    Returns:
        `(N, D)`; an entry that is the same in all rows becomes 0.

    Source: batch norm without weights (Ioffe & Szegedy 2015).

    Examples:
        >>> standardise(torch.tensor([[1.0, 5.0], [3.0, 5.0]])).round(decimals=3)
        tensor([[-1.,  0.],
                [ 1.,  0.]])
    """
    variance, mean = torch.var_mean(signatures, dim=0, correction=0)
    return (signatures - mean) * (variance + EPSILON).rsqrt()


def probe_step(inputs: Tensor, labels: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Softmax regression, by hand: each sample's cross-entropy, and the gradient of their mean.

    Args:
        inputs: `(N, D+1)`, floats, the last column all ones.
        labels: `(N,)`, int64, in `0 … K-1`.
        weight: `(D+1, K)`, floats.

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
    return losses, inputs.T @ residual / len(labels)


class LinearProbe:
    """Batch norm and one linear layer on signatures, one gradient step a batch.

    It holds no random state: it starts at zero, where every class is equally likely.

    Args:
        num_classes: K.

    Raises:
        InvalidValueError: for fewer than 2 classes.

    Examples:
        >>> probe = LinearProbe(2)
        >>> inputs, labels = torch.tensor([[1.0], [-1.0]]), torch.tensor([0, 1])
        >>> first = probe.step(inputs, labels).mean()
        >>> bool(probe.step(inputs, labels).mean() < first)
        True
    """

    def __init__(self, num_classes: int) -> None:
        if num_classes < 2:
            raise InvalidValueError(f"num_classes: expected at least 2, got {num_classes}")
        self.num_classes = num_classes
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
        if not len(finite) or not bool(finite.all()):
            losses = torch.full_like(signatures[:, 0], torch.nan)
            if bool(finite.any()):
                losses[finite] = self.step(signatures[finite], labels[finite])
            return losses
        inputs = torch.nn.functional.pad(standardise(signatures.float()), (0, 1), value=1.0)
        if not len(self._weight):
            self._weight = inputs.new_zeros(inputs.shape[1], self.num_classes)
            self._velocity = torch.zeros_like(self._weight)
        losses, gradient = probe_step(inputs, labels, self._weight)
        # The loss's curvature is at most (D + 1) / 2, so this rate is stable for any signatures.
        rate = 2 / inputs.shape[1]
        self._velocity.mul_(MOMENTUM).add_(gradient)
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
