"""A network learns by contrast: excerpts of one track are drawn together, others apart."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imprint.data.seeds import generator_of
from imprint.errors import InvalidValueError, MissingExtraError
from imprint.sound_augmentation import crop_frames, mask_spans, shift_level

if TYPE_CHECKING:
    from imprint.training.same_track import SameTrackSettings

__all__ = ["augment_sounds", "contrast", "pairs_of_tracks"]

PROJECTION = 128
"""Dimensions in which the loss compares; the projection is dropped afterwards."""

CROP = 0.6
"""Share of an excerpt's time that a view holds."""

LEVEL, BANDS, FRAMES = 6.0, 10, 0.1
"""Decibels, bands, and share of the frames, of the strongest augmentation."""

WEIGHT_DECAY = 1e-3


def contrast(
    features: nn.Module,
    images: Tensor,
    tracks: Tensor,
    settings: "SameTrackSettings",
    *,
    device: torch.device,
    on_step: Callable[[int, int, float], None] = lambda _step, _steps, _loss: None,
) -> list[float]:
    """Train a network so that excerpts of one track have similar features.

    Args:
        features: images to `(N, D)`, on the device; left in train mode.
        images: `(N, 2, H, T)`, uint8.
        tracks: `(N,)`, int64, at least two of them.
        settings: how.
        device: to train on.
        on_step: called after each step with its number, of how many, and the loss.

    Returns:
        The mean loss of each epoch.

    Raises:
        InvalidValueError: for fewer than two tracks.
        MissingExtraError: without `imprint[audio]`.

    Source: Sohn (2016) and Chen et al. (2020) for the loss, as pytorch-metric-learning has it.

    Examples:
        >>> from imprint.training import SameTrackSettings
        >>> features = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(32, 8))
        >>> sounds = torch.randint(256, (8, 2, 24, 30), dtype=torch.uint8)
        >>> settings = SameTrackSettings(model="own", layer="2", epochs=2, batch_size=4)
        >>> tracks = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])
        >>> len(contrast(features, sounds, tracks, settings, device=torch.device("cpu")))
        2
    """
    measure = _loss(settings.temperature)
    names = tracks.unique()  # type: ignore[no-untyped-call]
    if len(names) < 2:
        raise InvalidValueError(f"data: expected at least two tracks, got {len(names)}")
    with _seeded(settings.seed, device):  # the projection, and a network's own dropout
        size = _size_of(features, images[:1].to(device).float() / 255)
        learner = nn.Sequential(features, nn.Linear(size, PROJECTION).to(device)).train()
        number = settings.batch_size // 2
        each = max(1, len(names) // number)
        steps = each * settings.epochs
        step = _step_of(learner, settings, steps, measure)
        generator, losses = generator_of(settings.seed), []
        for _ in range(settings.epochs):
            for rows in pairs_of_tracks(tracks, number, generator=generator):
                views = augment_sounds(images[rows].float() / 255, generator=generator)
                losses.append(step(views.to(device), tracks[rows].to(device)))
                on_step(len(losses), steps, losses[-1])
    means = torch.tensor(losses).view(settings.epochs, each).mean(1)
    return [round(own, 6) for own in means.tolist()]


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draw from the seed, on the CPU and the device, while the block runs."""
    gpus = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        torch.default_generator.manual_seed(seed)
        for gpu in gpus:
            with torch.cuda.device(gpu):
                torch.cuda.manual_seed(seed)
        yield


def _step_of(
    learner: nn.Module, settings: "SameTrackSettings", steps: int, measure: Any
) -> Callable[[Tensor, Tensor], float]:
    """An optimizer step: views and their tracks to the loss."""
    optimizer = torch.optim.AdamW(learner.parameters(), settings.lr, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.lr, total_steps=steps + 1)

    def step(views: Tensor, tracks: Tensor) -> float:
        loss = measure(F.normalize(learner(views), dim=1), tracks)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        return float(loss.detach())

    return step


def pairs_of_tracks(tracks: Tensor, number: int, *, generator: torch.Generator) -> Iterator[Tensor]:
    """Draw two excerpts of each track, some tracks at a time, until each had its turn.

    Args:
        tracks: `(N,)`, int64.
        number: of tracks a batch, at least; so none is alone in the last one.
        generator: draws order and excerpts.

    Yields:
        `(2P,)`, int64: rows of the first track's two excerpts, then of the second's, …; a track of
        one excerpt gives it twice.

    Examples:
        >>> batches = pairs_of_tracks(torch.tensor([5, 5, 7]), 1, generator=torch.Generator())
        >>> sorted(tuple(sorted(rows.tolist())) for rows in batches)
        [(0, 1), (2, 2)]
    """
    order = tracks.argsort(stable=True)
    counts = tracks.unique(return_counts=True)[1]  # type: ignore[no-untyped-call]
    of_each = torch.split(order, counts.tolist())
    drawn = torch.randperm(len(of_each), generator=generator)
    for some in torch.tensor_split(drawn, max(1, len(drawn) // number)):
        yield torch.cat([_two_of(of_each[place], generator) for place in some.tolist()])


def _two_of(rows: Tensor, generator: torch.Generator) -> Tensor:
    return rows[torch.randperm(len(rows), generator=generator)[:2]].repeat(2)[:2]


def augment_sounds(images: Tensor, *, generator: torch.Generator) -> Tensor:
    """Make a view of each sound: a stretch of it, louder or quieter, with spans blanked.

    Args:
        images: `(N, 2, H, T)`, floats in [0, 1].
        generator: draws all of it.

    Returns:
        `(N, 2, H, T')`, T' 0.6 of T.

    Examples:
        >>> augment_sounds(torch.rand(2, 2, 64, 100), generator=torch.Generator()).shape
        torch.Size([2, 2, 64, 60])
    """
    frames = max(1, round(CROP * images.shape[3]))
    views = crop_frames(images, frames, generator=generator)
    views = shift_level(views, LEVEL, generator=generator)
    bands = min(BANDS, images.shape[2] // 4)
    return mask_spans(views, bands=bands, frames=int(FRAMES * frames), generator=generator)


@torch.no_grad()
def _size_of(features: nn.Module, images: Tensor) -> int:
    """D, by a view of the length that will be learnt from."""
    view = augment_sounds(images, generator=generator_of(0)).to(images)
    try:
        return int(features.eval()(view).shape[1])
    except RuntimeError as error:  # whatever a user's own network raises
        reason = " ".join(str(error).split())[:200]
        expected = f"one that takes sounds of any length, such as {tuple(view.shape)}"
        raise InvalidValueError(f"model: expected {expected}, {reason}") from error


def _loss(temperature: float) -> Any:
    try:
        losses = import_module("pytorch_metric_learning.losses")
    except ImportError as error:
        expected = "expected it to be installed to learn by contrast; pip install 'imprint[audio]'"
        raise MissingExtraError(f"pytorch_metric_learning: {expected}") from error
    return losses.NTXentLoss(temperature)
