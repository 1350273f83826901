"""What a run leaves images out with: a plan, or a gate, as its settings say."""

import torch
from torch import nn

from imprint.errors import LayerError
from imprint.models import default_layer
from imprint.signatures import signature
from imprint.skipping import SkipGate, SkipPlan
from imprint.taps import check_rows, maps_at
from imprint.training.settings import TrainSettings

__all__ = ["build_gate", "build_plan"]


def build_plan(settings: TrainSettings, count: int) -> SkipPlan | None:
    """Build the plan of a run, where it has one.

    Args:
        settings: names rule, tier, keep ratio, dense parts, epochs, batch size and seed.
        count: the images to train on.

    Returns:
        The plan; None for a run that loads everything.

    Raises:
        InvalidValueError: where an epoch would keep less than one batch.

    Examples:
        >>> build_plan(TrainSettings(skip="imprint", keep=0.25), 2048).count(epoch=1)
        512
    """
    if not settings.planned:
        return None
    return SkipPlan(
        count,
        keep=settings.keep,
        epochs=settings.epochs,
        rule=settings.skip,
        dense_start=settings.dense_start,
        dense_end=settings.dense_end,
        batch_size=settings.batch_size,
        seed=settings.seed,
    )


def build_gate(
    settings: TrainSettings, model: nn.Module, shape: tuple[int, int, int], num_classes: int
) -> SkipGate | None:
    """Build the gate of a run; beside a plan it keeps every row and only reads how familiar it is.

    Args:
        settings: names rule, tier, layer, reading, decay and seed.
        model: on the CPU.
        shape: channels, height and width of the images.
        num_classes: K.

    Returns:
        The gate; None for a run that skips nothing, or that plans and has no layer to read.

    Raises:
        LayerError: where a gate has no layer, or one that cannot serve.

    Examples:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> settings = TrainSettings(skip="cosine", model="mine.py:build", layer="0")
        >>> build_gate(settings, model, (1, 2, 2), 2).layer
        '0'
    """
    if settings.skip == "none":
        return None
    layer = settings.layer or default_layer(settings.model)
    if layer is None and settings.planned:
        return None
    if layer is None:
        names = ", ".join([name for name, _ in model.named_modules() if name][:12])
        raise LayerError(f"layer: expected --layer, one of the model's such as {names}; got none")
    example = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    if settings.planned:  # what is only read must run and give maps, and may stand anywhere
        check_rows(signature(maps_at(model, layer, example)), example, layer)
    return SkipGate(
        model,
        layer=layer,
        num_classes=num_classes,
        keep=1.0,
        rule="cosine" if settings.planned else settings.skip,
        reading=settings.threshold_reading if settings.skip == "paper" else "text",
        decay=settings.memory_decay,
        seed=settings.seed,
        example=None if settings.planned else example,
    )
