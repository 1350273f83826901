"""Networks trained on a base network's feature maps, what each knows, and what fools it."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imprint.on_maps import map_planes, stage_maps
from imprint.reproduce.base import BASE, percent, read
from imprint.reproduce.cells import Cell
from imprint.robustness import Attack, fgsm, log_odds, transferred
from imprint.training.building import build_trainer
from imprint.training.settings import TrainSettings
from imprint.training.trainer import Trainer
from imprint.types import DataSplits, ImageSet

__all__ = ["EPSILONS", "blurred", "maps_cell", "maps_of", "splits_of", "trained"]

LAYER, CHANNELS = "conv1", 10

EPSILONS = (0.15, 0.25)
"""Of figure 10, in pixel units of [0, 1]."""

SECOND = 1000
"""What is added to a seed for a base network of other first weights."""

BATCH = 500
"""Images that run together where nothing is learnt."""


def maps_cell(data: str, batch_size: int, seed: int) -> Cell:
    """Name the work of training a base network and others on its maps, and of attacking all.

    Args:
        data: its name.
        batch_size: of all trainings.
        seed: of all trainings.

    Returns:
        The cell; of each network it gives `known`, accuracy on `train` and `test` images (%), and
        `fooled`, for each epsilon its accuracy (%) on images made on the base network, `on_base`,
        made on itself, `on_itself`, and made on itself by a loss that hides no gradient, `sure`.

    Examples:
        >>> maps_cell("mnist", 64, 0).name
        'mnist-maps-64-0'
    """
    arguments = {"data": data, "batch_size": batch_size, "seed": seed}
    return Cell(f"{data}-maps-{batch_size}-{seed}", _compare, arguments)


def _compare(data: str, batch_size: int, seed: int) -> dict[str, Any]:
    """Every network of a seed takes as many steps; `each` sees a channel a step, so one epoch."""
    images = read(data)
    settings = replace(BASE, batch_size=batch_size, seed=seed)
    base = trained(images, settings)
    start = base.model.state_dict()
    maps = maps_of(base.model, images.train)
    once = replace(settings, epochs=settings.epochs // CHANNELS)
    networks = {
        "base": base,
        "second base": trained(images, replace(settings, seed=seed + SECOND)),
        "each": trained(splits_of(images, map_planes(maps, "each")), once, start),
        "each, fresh": trained(splits_of(images, map_planes(maps, "each")), once),
        "mean": trained(splits_of(images, map_planes(maps, "mean")), settings, start),
        "blurred": trained(splits_of(images, blurred(images.train)), settings, start),
    }
    known = {
        name: {part: percent(own.model, getattr(images, part)) for part in ("train", "test")}
        for name, own in networks.items()
    }
    return {"known": known, "fooled": _fooled(networks, images.test)}


def trained(
    data: DataSplits, settings: TrainSettings, start: Mapping[str, Tensor] | None = None
) -> Trainer:
    """Train a network to the end.

    Args:
        data: to train and to test on.
        settings: how.
        start: weights to start from; None for those that the seed gives.

    Returns:
        Its trainer.

    Raises:
        DivergedError: where a loss is not finite.

    Examples:
        >>> from imprint.reproduce.base import subset
        >>> few = subset(read("mnist"), 64, seed=0)
        >>> trained(few, replace(BASE, epochs=2, batch_size=32)).finished
        True
    """
    trainer = build_trainer(data, settings, drop_last=False, start=start)
    while not trainer.finished:
        trainer.train_epoch()
    return trainer


def maps_of(model: nn.Module, images: ImageSet, layer: str = LAYER) -> Tensor:
    """Take the maps of images after the activation that follows a layer.

    Args:
        model: takes pixels in [0, 1].
        images: `(N, C, H, W)`.
        layer: whose maps.

    Returns:
        `(N, C', H', W')`, float16.

    Examples:
        >>> from imprint.models import build_model
        >>> from imprint.reproduce.base import subset
        >>> maps_of(build_model("paper", (1, 28, 28), 10), subset(read("mnist"), 2, 0).train).shape
        torch.Size([2, 10, 12, 12])
    """
    parts = torch.split(images.images, BATCH)
    return torch.cat(
        [stage_maps(model, layer, "after-activation", part / 255).half() for part in parts]
    )


def blurred(images: ImageSet) -> Tensor:
    """Blur images as the first layer does, which adds 5 by 5 pixels and pools 2 by 2 of these.

    Args:
        images: `(N, 1, H, W)`, uint8.

    Returns:
        `(N, 1, (H - 4) / 2, (W - 4) / 2)`, float16, in [0, 1].

    Examples:
        >>> from imprint.reproduce.base import subset
        >>> blurred(subset(read("mnist"), 2, seed=0).train).shape
        torch.Size([2, 1, 12, 12])
    """
    parts = torch.split(images.images, BATCH)
    blur = [F.max_pool2d(F.avg_pool2d(part / 255, 5, stride=1), 2).half() for part in parts]
    return torch.cat(blur)


def splits_of(images: DataSplits, planes: Tensor) -> DataSplits:
    """Put maps in the place of training images; what is tested on stays.

    Args:
        images: the data set.
        planes: `(N·C, 1, H, W)`, floats, an image's channels one after the other.

    Returns:
        The data set to train on.

    Examples:
        >>> from imprint.reproduce.base import subset
        >>> few = subset(read("mnist"), 2, seed=0)
        >>> len(splits_of(few, torch.zeros(20, 1, 12, 12)).train)
        20
    """
    labels = images.train.labels.repeat_interleave(len(planes) // len(images.train))
    train = ImageSet(planes, labels, images.train.class_names)
    return DataSplits(images.name, train, images.test)


def _fooled(networks: Mapping[str, Trainer], test: ImageSet) -> dict[str, Any]:
    """Each network's accuracy on images made on the base network, and made on itself, in %."""
    models = {name: own.model for name, own in networks.items()}
    fooled: dict[str, Any] = {name: {how: [] for how in ATTACKS} for name in models}
    for epsilon in EPSILONS:
        right = _right(models["base"], models, test, epsilon, fgsm)
        for name, model in models.items():
            own = {"on_base": right[name]}
            for how in ("on_itself", "sure"):
                own[how] = _right(model, {name: model}, test, epsilon, ATTACKS[how])[name]
            for how, value in own.items():
                fooled[name][how].append(value)
    return fooled


ATTACKS: dict[str, Attack] = {
    "on_base": fgsm,
    "on_itself": fgsm,
    "sure": partial(fgsm, loss=log_odds),
}
"""How images are made; where a network is sure, cross-entropy in float32 has no gradient left."""


def _right(
    source: nn.Module,
    judges: Mapping[str, nn.Module],
    test: ImageSet,
    epsilon: float,
    attack: Attack,
) -> dict[str, float]:
    right = transferred(
        source, list(judges.values()), test.images, test.labels, epsilon=epsilon, attack=attack
    )
    return {name: 100 * n / len(test) for name, n in zip(judges, right, strict=True)}
