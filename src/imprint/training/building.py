"""A trainer set up from data and settings, with batches of its own."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from imprint.data import Batches, batches_of
from imprint.data.scaling import measured
from imprint.training.engine import find_device
from imprint.training.progress import Progress
from imprint.training.settings import TrainSettings
from imprint.training.trainer import Trainer
from imprint.types import DataSplits, ImageSet

__all__ = ["build_trainer", "judging_batches"]

TEST_BATCH = 500
"""Images tested at a time; their maps are the most that a small network ever holds."""


def build_trainer(
    data: DataSplits,
    settings: TrainSettings,
    name: str = "plain",
    on_step: Callable[[Progress], None] = lambda _: None,
    start: Mapping[str, Tensor] | None = None,
    *,
    drop_last: bool = True,
) -> Trainer:
    """Set up a trainer with batches of its own, for a loop that calls `train_epoch`.

    Args:
        data: what to train and to test on.
        settings: how.
        name: what `on_step` is told of the run.
        on_step: called after each optimizer step.
        start: weights to start from, by name; None for those that the seed gives.
        drop_last: whether an epoch leaves out what fills no last batch.

    Returns:
        The trainer, before its first epoch; the same settings give the same weights and batches.

    Raises:
        ImprintError: for settings, model, layer, data or device that will not do.

    Examples:
        >>> from imprint.data import load
        >>> settings = TrainSettings(model="paper", batch_size=4096, device="cpu")
        >>> build_trainer(load("mnist"), settings).epoch
        0
    """
    data, device = measured(data), find_device(settings.device)
    train_batches = batches_of(
        data.train,
        settings.batch_size,
        data.train.normalisation,
        augmentations=settings.augmentations_of(data.augmentations),
        device=device,
        seed=settings.seed,
        drop_last=drop_last,
        channels_last=True,
        shape=data.shape,
    )
    return Trainer(
        settings,
        train=train_batches,
        test=judging_batches(data.test, data.shape, device),
        shape=data.shape,
        num_classes=data.num_classes,
        train_labels=data.train.labels,
        on_step=on_step,
        name=name,
        start=start,
    )


def judging_batches(
    part: ImageSet, shape: tuple[int, int, int], device: torch.device | str = "cpu"
) -> Batches:
    """Batch images to be judged on, all of them in their order.

    Args:
        part: of a data set, measured.
        shape: channels, height and width of what the network takes.
        device: where the batches go.

    Returns:
        The batches.

    Examples:
        >>> images = torch.zeros(3, 1, 8, 8)
        >>> len(judging_batches(ImageSet(images, torch.arange(3), ("a", "b", "c")), (1, 8, 8)))
        1
    """
    return batches_of(
        part,
        min(TEST_BATCH, len(part)),
        part.normalisation,
        device=device,
        shuffle=False,
        drop_last=False,
        shape=shape,
    )
