"""The paper's network, and how it is trained here: plainly, with the cache, and with controls."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Any, Literal, NamedTuple

import torch
from torch import nn

from imprint.data import load
from imprint.memory import ClassMemory, ThresholdReading
from imprint.reproduce.cells import Cell
from imprint.training.building import build_trainer, judging_batches
from imprint.training.evaluation import class_hits
from imprint.training.settings import TrainSettings
from imprint.types import DataSplits, ImageSet, Normalisation

__all__ = [
    "BASE",
    "READINGS",
    "Reading",
    "cached_cell",
    "course",
    "percent",
    "plain_cell",
    "read",
    "seeded",
    "subset",
]

Reading = Literal["formula", "text", "renewed"]


class Cache(NamedTuple):
    """A reading of the paper's cache.

    Attributes:
        layer: whose maps it remembers.
        threshold: how its threshold is read.
        renewed: whether it is emptied before each epoch.
    """

    layer: str
    threshold: ThresholdReading
    renewed: bool


READINGS: dict[Reading, Cache] = {
    "formula": Cache("conv1", "formula", renewed=False),
    "text": Cache("conv1", "text", renewed=False),
    "renewed": Cache("conv2", "text", renewed=True),
}
"""What the paper says of its cache leaves open; `renewed` meets the hits that it prints best."""

BASE = TrainSettings(
    model="paper",
    optimizer="sgd",
    lr=0.01,
    momentum=0.9,
    weight_decay=0.0,
    schedule="constant",
    augment=False,
    dense_start=0.0,
    deviation="paper",
    epochs=10,
    batch_size=4096,
    device="cpu",
    familiarity=False,
)
"""What the paper leaves open, chosen by figure 7's plain curve: see `base_network`."""


@cache
def read(data: str) -> DataSplits:
    """Read a data set, once a process.

    Args:
        data: its name.

    Returns:
        The images to train and to test on, which networks take as pixels in [0, 1].

    Examples:
        >>> read("mnist").test.normalisation
        Normalisation(mean=(0.0,), std=(1.0,))
    """
    splits = load(data)
    return replace(splits, train=_in_pixels(splits.train), test=_in_pixels(splits.test))


def _in_pixels(images: ImageSet) -> ImageSet:
    channels = images.images.shape[1]
    return replace(images, normalisation=Normalisation((0.0,) * channels, (1.0,) * channels))


def plain_cell(settings: TrainSettings, data: str = "mnist") -> Cell:
    """Name the work of plain training.

    Args:
        settings: how.
        data: its name.

    Returns:
        The cell.

    Examples:
        >>> plain_cell(BASE).name
        'mnist-paper-4096-lr0.01-plain-0'
    """
    return Cell(f"{_name(settings, data)}-plain-{settings.seed}", _plain, _told(settings, data))


def cached_cell(settings: TrainSettings, data: str = "mnist", reading: Reading = "renewed") -> Cell:
    """Name the work of training with the cache, and of skipping as many images by chance.

    Args:
        settings: how.
        data: its name.
        reading: of the cache.

    Returns:
        The cell; it gives `cached` and `random`.

    Examples:
        >>> cached_cell(BASE, reading="text").name
        'mnist-paper-4096-lr0.01-cached-text-0'
    """
    name = f"{_name(settings, data)}-cached-{reading}-{settings.seed}"
    return Cell(name, _cached, _told(settings, data) | {"reading": reading})


def _name(settings: TrainSettings, data: str) -> str:
    return f"{data}-{settings.model}-{settings.batch_size}-lr{settings.lr:g}"


def _told(settings: TrainSettings, data: str) -> dict[str, Any]:
    """What differs between runs; all else is `BASE`'s."""
    names = ("model", "batch_size", "epochs", "lr", "seed")
    return {"data": data, **{name: getattr(settings, name) for name in names}}


def _plain(data: str, **told: Any) -> dict[str, Any]:
    return course(read(data), replace(BASE, **told))


def _cached(data: str, reading: Reading, **told: Any) -> dict[str, Any]:
    """Train with the cache; then skip as large a share of each batch by chance."""
    layer, threshold, renewed = READINGS[reading]
    settings = replace(BASE, skip="paper", layer=layer, threshold_reading=threshold, **told)
    cached = course(read(data), settings, renewed=renewed)
    share = sum(cached["images_trained"]) / sum(cached["images_seen"])
    chance = replace(settings, skip="random", tier="gate", keep=share)
    return {"cached": cached, "random": course(read(data), chance)}


def course(data: DataSplits, settings: TrainSettings, *, renewed: bool = False) -> dict[str, Any]:
    """Train, and give what the paper's tables have.

    Args:
        data: to train and to test on.
        settings: how.
        renewed: whether the class memory is emptied before each epoch.

    Returns:
        for each epoch `test_accuracy` (%), `images_seen`, `images_trained` and `hits`; at the end
        `train_accuracy` (%) and `similarity` of each class, early and late.

    Raises:
        DivergedError: where a loss is not finite.

    Examples:
        >>> few = subset(read("mnist"), 64, seed=0)
        >>> course(few, replace(BASE, epochs=2, batch_size=32))["images_trained"]
        [64, 64]
    """
    trainer = build_trainer(data, settings, drop_last=False)
    gate = trainer.tiers.gate
    while not trainer.finished:
        if gate is not None and renewed:
            gate.memory = ClassMemory(data.num_classes, reading=settings.threshold_reading)
        trainer.train_epoch()
    counts = {
        name: [row[name] for row in trainer.epochs]
        for name in ("images_seen", "images_trained", "hits")
    }
    return {
        "test_accuracy": [100 * row["test_accuracy"] for row in trainer.epochs],
        "train_accuracy": percent(trainer.model, data.train),
        "similarity": None if gate is None else trainer.tiers.tally.similarity(),
        **counts,
    }


def percent(model: nn.Module, images: ImageSet) -> float:
    """Say how many images a network knows.

    Args:
        model: gives logits.
        images: with their normalisation.

    Returns:
        The accuracy, in %.

    Examples:
        >>> images = torch.eye(2).view(2, 2, 1, 1)
        >>> percent(nn.Flatten(), ImageSet(images, torch.tensor([0, 0]), ("a", "b")))
        50.0
    """
    channels, height, width = images.images.shape[1:]
    batches = judging_batches(images, (channels, height, width))
    right, total = class_hits(model, batches.epoch(0), len(images.class_names))
    return 100 * int(right.sum()) / int(total.sum())


def subset(data: DataSplits, size: int, seed: int) -> DataSplits:
    """Take some of the training images.

    Args:
        data: the whole.
        size: how many, at most all.
        seed: that draws them.

    Returns:
        These, with all test images.

    Examples:
        >>> len(subset(read("mnist"), 600, seed=0).train)
        600
    """
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(seed))
    rows = order[:size].sort().values
    train = data.train.taken(rows)
    return replace(data, train=train)


def seeded(settings: TrainSettings, seeds: int) -> Iterable[TrainSettings]:
    """Give settings one seed after the other.

    Args:
        settings: all else.
        seeds: how many, from 0.

    Returns:
        The settings of each seed.

    Examples:
        >>> [settings.seed for settings in seeded(BASE, 2)]
        [0, 1]
    """
    return [replace(settings, seed=seed) for seed in range(seeds)]
