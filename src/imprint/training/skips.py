"""What a run leaves images out with: a plan, or a gate, as its settings say."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imprint.data import Batch
from imprint.data.seeds import generator_of
from imprint.errors import LayerError
from imprint.models import default_layer
from imprint.outputs import first_tensor
from imprint.signatures import signature
from imprint.skipping import HISTORY_RULES, EpochSampler, HistoryPlan, SkipGate, SkipPlan
from imprint.skipping.published.selective_backprop import select
from imprint.skipping.rules import kept_count
from imprint.taps import check_rows, maps_at
from imprint.training.settings import TrainSettings

__all__ = ["LossSelector", "build_gate", "build_plan", "build_selector"]


def build_plan(settings: TrainSettings, labels: Tensor) -> EpochSampler | None:
    """Build the plan of a run, where it has one.

    Args:
        settings: names rule, tier, keep ratio, floor, dense parts, epochs, batch size and seed.
        labels: `(N,)`, int64, of the images to train on.

    Returns:
        The plan; None for a run that loads everything.

    Raises:
        InvalidValueError: where an epoch would keep less than one batch.

    Examples:
        >>> settings = TrainSettings(skip="imprint", keep=0.25)
        >>> build_plan(settings, torch.zeros(2048, dtype=torch.int64)).count(epoch=1)
        512
    """
    if not settings.planned:
        return None
    batch_size = settings.batch_size if not settings.batch_shrink else min(2, settings.batch_size)
    if settings.skip in HISTORY_RULES:
        return HistoryPlan(
            len(labels),
            keep=settings.keep,
            epochs=settings.epochs,
            rule=settings.skip,
            dense_start=settings.dense_start,
            dense_end=settings.dense_end,
            batch_size=batch_size,
            seed=settings.seed,
        )
    return SkipPlan(
        len(labels),
        keep=settings.keep,
        cover=settings.cover,
        epochs=settings.epochs,
        rule=settings.skip,
        dense_start=settings.dense_start,
        dense_end=settings.dense_end,
        batch_size=batch_size,
        seed=settings.seed,
        labels=labels,
        class_floor=settings.class_floor,
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
    if settings.skip == "none" or not (settings.gated or settings.planned):
        return None
    layer = settings.layer or default_layer(settings.model)
    if not settings.gated and (layer is None or not settings.familiarity):
        return None
    if layer is None:
        names = ", ".join([name for name, _ in model.named_modules() if name][:12])
        raise LayerError(f"layer: expected --layer, one of the model's such as {names}; got none")
    example = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    if not settings.gated:  # what is only read must run and give maps, and may stand anywhere
        check_rows(signature(maps_at(model, layer, example)), example, layer)
    return SkipGate(
        model,
        layer=layer,
        num_classes=num_classes,
        keep=1.0,
        rule=settings.skip if settings.gated else "cosine",
        reading=settings.threshold_reading if settings.skip == "paper" else "text",
        decay=settings.memory_decay,
        deviation=settings.deviation,
        seed=settings.seed,
        example=example if settings.gated else None,
    )


class LossSelector:
    """Choose the rows of a batch whose loss, looked at without gradient, asks for a step.

    Args:
        seed: of the draw.

    Source: selective backprop (Jiang et al. 2019).
    """

    def __init__(self, seed: int) -> None:
        self.keep, self._seed = 1.0, seed
        self._generator = torch.Generator().manual_seed(seed)

    def begin_epoch(self, epoch: int, keep: float) -> None:
        """Set an epoch's keep ratio; its random numbers follow from the seed and the epoch alone.

        Args:
            epoch: from 0.
            keep: the share of each batch that stays, in (0, 1].
        """
        self.keep, self._generator = keep, generator_of(self._seed, epoch, 3)

    @torch.no_grad()
    def __call__(self, model: nn.Module, batch: Batch) -> Tensor:
        """Choose the rows; in a dense epoch all, without a look.

        Args:
            model: in the modes that it trains in; batch norm sees the whole batch as well.
            batch: all rows.

        Returns:
            `(M,)`, int64, ascending: the places in the batch of the rows that stay.
        """
        if self.keep == 1:
            return torch.arange(len(batch.labels), device=batch.labels.device)
        logits = first_tensor(model(batch.images), "the model's output")
        losses = F.cross_entropy(logits.float(), batch.labels, reduction="none")
        count = kept_count(len(losses), self.keep)
        return select(losses, count=count, generator=self._generator)


def build_selector(settings: TrainSettings) -> LossSelector | None:
    """Build what narrows each batch by its fresh losses, where a run has it.

    Args:
        settings: names rule and seed.

    Returns:
        The selector; None for other rules.

    Examples:
        >>> build_selector(TrainSettings(skip="random")) is None
        True
    """
    if settings.skip != "selective-backprop":
        return None
    return LossSelector(settings.seed)
