"""The course of a loss, step by step, with what may make it undefined: for a study of NaN."""

import math
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imprint.outputs import first_tensor
from imprint.training.diagnosis import diagnose

__all__ = ["LOSSES", "LossForm", "LossStep", "loss_course"]

LossForm = Literal["log-softmax", "log of softmax", "softmax"]


class LossStep(NamedTuple):
    """What one step of training was like.

    Attributes:
        step: from 1.
        loss: before the step's update.
        logit_gap: the largest difference between two logits of a sample.
        underflowed: the share of true classes whose probability is 0 in float32.
        gradient_norm: of all weights together.
        dead_relus: the share of dead units of each ReLU, for this batch.
    """

    step: int
    loss: float
    logit_gap: float
    underflowed: float
    gradient_norm: float
    dead_relus: dict[str, float]


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "log-softmax": F.cross_entropy,
    "log of softmax": lambda logits, labels: F.nll_loss(logits.softmax(1).log(), labels),
    "softmax": lambda logits, labels: F.nll_loss(logits.softmax(1), labels),
}
"""The negative log likelihood, as one function that cannot underflow; as softmax, then a logarithm,
where a probability that underflows to 0 gives infinity and its gradient NaN; and without one."""


def loss_course(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    loss: LossForm = "log-softmax",
    lr: float = 0.01,
    momentum: float = 0.5,
) -> list[LossStep]:
    """Train by plain SGD and note each step; the first that is not finite is the last.

    Args:
        model: any `nn.Module` that gives logits; it is trained.
        batches: images `(N, C, H, W)` as it takes them, and labels `(N,)`, int64.
        loss: a key of `LOSSES`.
        lr: the learning rate.
        momentum: in [0, 1).

    Returns:
        A row a step.

    Examples:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(1, 2))
        >>> model[1].weight.data = torch.tensor([[-1.0], [1.0]])
        >>> batch = (torch.full((1, 1, 1, 1), 1e4), torch.tensor([0]))
        >>> [row.loss for row in loss_course(model, [batch, batch], loss="log of softmax")]
        [inf]
        >>> len(loss_course(model, [batch, batch]))
        2
    """
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
    rows: list[LossStep] = []
    model.train()
    for step, (images, labels) in enumerate(batches, 1):
        logits = first_tensor(model(images), "the model's output")
        value = LOSSES[loss](logits, labels)
        optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        logits = logits.detach()
        underflowed = logits.softmax(1).gather(1, labels[:, None]) == 0
        rows.append(
            LossStep(
                step,
                float(value.detach()),
                float((logits.amax(1) - logits.amin(1)).max()),
                float(underflowed.float().mean()),
                _gradient_norm(model),
                diagnose(model, images).dead_relus,
            )
        )
        if not (math.isfinite(rows[-1].loss) and math.isfinite(rows[-1].gradient_norm)):
            break
        optimizer.step()
    return rows


def _gradient_norm(model: nn.Module) -> float:
    norms = [weight.grad.norm() for weight in model.parameters() if weight.grad is not None]
    return float(torch.stack(norms).norm())
