"""Optimizers, and learning-rate schedules that count optimizer steps; PyTorch's own."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
)

from imprint.errors import InvalidValueError
from imprint.training.settings import TrainSettings

__all__ = ["build_optimizer", "build_schedule", "scaled_rate"]


def build_optimizer(model: nn.Module, settings: TrainSettings) -> Optimizer:
    """Build the optimizer of a run; biases and norms are not decayed.

    Args:
        model: whose parameters are to be trained.
        settings: names the optimizer, its rate, momentum and weight decay.

    Returns:
        SGD with Nesterov momentum, or AdamW.

    Raises:
        InvalidValueError: where nothing is to be trained.

    Examples:
        >>> build_optimizer(nn.Linear(2, 2), TrainSettings(optimizer="adamw")).defaults["lr"]
        0.005
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if not groups:
        raise InvalidValueError("model: expected at least one parameter to train, got none")
    # A fused optimizer unscales its gradients by itself, too late for them to be clipped.
    fused = settings.precision != "16" or settings.clip is None
    if settings.optimizer == "adamw":
        return AdamW(groups, lr=settings.rate, fused=fused)
    momentum = settings.momentum
    return SGD(groups, lr=settings.rate, momentum=momentum, nesterov=momentum > 0, fused=fused)


def build_schedule(optimizer: Optimizer, settings: TrainSettings, steps: int) -> LRScheduler:
    """Build the learning rate's schedule over a number of optimizer steps.

    Args:
        optimizer: whose rate it sets, now and at each `step()`.
        settings: names the schedule and the highest rate.
        steps: all optimizer steps of the run, at least 1.

    Returns:
        One of PyTorch's schedulers, to be stepped after each optimizer step.

    Examples:
        >>> optimizer = build_optimizer(nn.Linear(2, 2), TrainSettings())
        >>> build_schedule(optimizer, TrainSettings(schedule="constant"), 100).get_last_lr()[0]
        0.2
    """
    if settings.schedule == "one-cycle":
        return OneCycleLR(
            optimizer,
            settings.rate,
            total_steps=max(steps, 4) + 1,  # of 2 to 4 in all, PyTorch would divide by zero
            pct_start=0.25,
            cycle_momentum=False,
        )
    if settings.schedule == "cosine":
        return CosineAnnealingLR(optimizer, T_max=max(steps, 1))
    if settings.schedule == "step":
        return MultiStepLR(optimizer, [steps // 2, steps * 3 // 4], gamma=0.1)
    return ConstantLR(optimizer, factor=1.0, total_iters=0)


@contextmanager
def scaled_rate(optimizer: Optimizer, factor: float) -> Iterator[None]:
    """Multiply the learning rate for the steps within the block.

    Args:
        optimizer: any of PyTorch's.
        factor: 1 changes nothing.

    Yields:
        Nothing; the rates are put back afterwards.

    Examples:
        >>> optimizer = build_optimizer(nn.Linear(2, 2), TrainSettings(lr=0.5))
        >>> with scaled_rate(optimizer, 2.0):
        ...     optimizer.param_groups[0]["lr"]
        1.0
    """
    rates = [group["lr"] for group in optimizer.param_groups]
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate * factor
    try:
        yield
    finally:
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
