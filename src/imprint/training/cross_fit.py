"""Predictions for each sample by a network that was not trained on it."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imprint.data import Batches, batches_of, normalisation
from imprint.data.seeds import generator_of
from imprint.errors import InvalidValueError
from imprint.models import build_model
from imprint.outputs import first_tensor
from imprint.taps import channels_last, guest
from imprint.training.engine import find_device
from imprint.training.fit import check_fit
from imprint.training.optimizers import build_optimizer, build_schedule
from imprint.training.randomness import drawing_from
from imprint.training.settings import TrainSettings
from imprint.types import ImageSet, Normalisation

__all__ = ["assign_folds", "check_network", "cross_fit"]

TEST_BATCH = 500
"""Images predicted at a time."""


def assign_folds(labels: Tensor, folds: int, *, seed: int = 0) -> Tensor:
    """Deal the samples of each class out to folds, as evenly as can be.

    Args:
        labels: `(N,)`, int64.
        folds: at least 2, at most N.
        seed: of the deal, at least 0.

    Returns:
        `(N,)`, int64: the fold of each sample, in `0 … folds-1`; sizes differ by one at most.

    Raises:
        InvalidValueError: for a number of folds out of range.

    Examples:
        >>> assign_folds(torch.tensor([0, 1, 0, 1]), 2).bincount()
        tensor([2, 2])
    """
    if not 2 <= folds <= len(labels):
        raise InvalidValueError(f"folds: expected 2 … {len(labels)}, the samples; got {folds}")
    shuffled = torch.randperm(len(labels), generator=generator_of(seed))
    by_class = shuffled[labels[shuffled].argsort(stable=True)]
    assigned = torch.empty_like(labels)
    assigned[by_class] = torch.arange(len(labels)) % folds
    return assigned


def cross_fit(
    images: ImageSet, settings: TrainSettings, *, folds: int = 2, others: Sequence[ImageSet] = ()
) -> list[Tensor]:
    """Predict each sample's class by networks trained on the other folds.

    Args:
        images: at least `folds` of them.
        settings: how each network is trained: model, epochs, batch size, optimizer, schedule,
            device and seed; nothing is skipped.
        folds: K-fold's K, at least 2.
        others: further sets of the same classes, of which no network is trained.

    Returns:
        `(N, K)`, float32, for `images` and each of the others: probabilities of the classes. A row
        of `images` is of the network that never saw it, others are means over all networks.

    Raises:
        InvalidValueError: for a number of folds out of range, or a network that does not fit.

    Source: out-of-sample predictions as confident learning wants them (Northcutt et al. 2021).

    Examples:
        >>> pixels = torch.zeros(64, 1, 8, 8, dtype=torch.uint8)
        >>> pixels[1::2] = 200
        >>> pair = ImageSet(pixels, torch.arange(64) % 2, ("dark", "light"))
        >>> cross_fit(pair, TrainSettings(epochs=1, batch_size=16, device="cpu"))[0].shape
        torch.Size([64, 2])
    """
    assigned = assign_folds(images.labels, folds, seed=settings.seed)
    least = len(images) - -(-len(images) // folds)  # trained on where the largest fold is held out
    settings = replace(settings, batch_size=min(settings.batch_size, least))
    check_network(images, settings)
    device, scale = find_device(settings.device), normalisation(images.images)
    batches = batches_of(
        images, settings.batch_size, scale, device=device, seed=settings.seed, channels_last=True
    )
    every = [torch.ones(len(other), dtype=torch.bool) for other in others]
    tables = [torch.zeros(len(part), len(images.class_names)) for part in (images, *others)]
    for fold in range(folds):
        held = assigned == fold
        model = _network(images, settings, fold).to(device)
        with drawing_from(settings.seed, fold, device=device):
            _fit(model, batches, ~held, settings)
        for part, table, kept in zip((images, *others), tables, (held, *every), strict=True):
            table.add_(_predictions(model, part, scale, kept, device))
    return [tables[0], *(table / folds for table in tables[1:])]


def check_network(images: ImageSet, settings: TrainSettings) -> None:
    """Check, before long work begins, that a network can be trained on images.

    Args:
        images: at least one.
        settings: names the model.

    Raises:
        InvalidValueError: where it does not fit them.

    Examples:
        >>> pixels = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
        >>> check_network(ImageSet(pixels, torch.tensor([0, 1]), ("a", "b")), TrainSettings())
    """
    rows = min(2, settings.batch_size)
    model = _network(images, settings, 0)
    check_fit(model, settings.model, _shape(images), len(images.class_names), rows)


def _network(images: ImageSet, settings: TrainSettings, fold: int) -> nn.Module:
    seed = settings.seed + fold
    return channels_last(
        build_model(settings.model, _shape(images), len(images.class_names), seed=seed)
    )


def _shape(images: ImageSet) -> tuple[int, int, int]:
    channels, height, width = images.images.shape[1:]
    return channels, height, width


def _fit(model: nn.Module, batches: Batches, kept: Tensor, settings: TrainSettings) -> None:
    """Train a network plainly on some samples."""
    optimizer = build_optimizer(model, settings)
    epoch_steps = max(1, int(kept.sum()) // settings.batch_size)
    schedule = build_schedule(optimizer, settings, settings.epochs * epoch_steps)
    model.train()
    for batch in chain.from_iterable(batches.epoch(e, kept) for e in range(settings.epochs)):
        logits = first_tensor(model(batch.images), "the model's output")
        loss = F.cross_entropy(logits, batch.labels, label_smoothing=settings.label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()


@torch.no_grad()
def _predictions(
    model: nn.Module, images: ImageSet, scale: Normalisation, kept: Tensor, device: torch.device
) -> Tensor:
    """A network's probabilities of some samples, `(N, K)`; zeros for the others."""
    table = torch.zeros(len(images), len(images.class_names))
    batches = batches_of(
        images, TEST_BATCH, scale, device=device, shuffle=False, drop_last=False, channels_last=True
    )
    with guest(model):
        for batch in batches.epoch(0, kept):
            logits = first_tensor(model(batch.images), "the model's output")
            table[batch.index.cpu()] = logits.float().softmax(1).cpu()
    return table
