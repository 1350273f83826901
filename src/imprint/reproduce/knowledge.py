"""What the base network makes of centroids and of the images farthest from them."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from imprint.exploring import ClassMoments, own_distances
from imprint.memory import ClassMemory
from imprint.outputs import first_tensor
from imprint.reproduce.base import BASE, read, seeded
from imprint.reproduce.cells import Cell
from imprint.signatures import signature
from imprint.taps import guest, maps_at
from imprint.training.building import build_trainer
from imprint.training.settings import TrainSettings
from imprint.types import DataSplits, ImageSet

__all__ = ["FARTHEST", "centroids", "distances", "knowledge_cell", "knowledge_settings"]

FARTHEST = 0.05
"""Share of a class's images, the farthest from its centroid, that count as outliers."""

BATCH = 256


def knowledge_settings(seeds: int) -> list[TrainSettings]:
    """Give the settings of the networks that are asked.

    Args:
        seeds: how many.

    Returns:
        The base network's, in batches of 256, which it learns well from.

    Examples:
        >>> [settings.seed for settings in knowledge_settings(2)]
        [0, 1]
    """
    return list(seeded(replace(BASE, batch_size=BATCH), seeds))


def knowledge_cell(settings: TrainSettings) -> Cell:
    """Name the work of training a network on MNIST and asking it.

    Args:
        settings: its seed counts.

    Returns:
        The cell; it gives `centroids`, the answer to each class's centroid; `right`: of the
        training and the test images, the share (%) of the farthest and of the rest that it knows;
        `nearest`, by layer, of how many test images (%) the nearest cached vector is their own
        class's; and `example`, the first layer's maps of one image with their signature.

    Examples:
        >>> knowledge_cell(BASE).name
        'mnist-knowledge-0'
    """
    return Cell(f"mnist-knowledge-{settings.seed}", _ask, {"seed": settings.seed})


def _ask(seed: int) -> dict[str, Any]:
    data = read("mnist")
    settings = replace(BASE, batch_size=BATCH, seed=seed)
    trainer = build_trainer(data, settings, drop_last=False)
    while not trainer.finished:
        trainer.train_epoch()
    means = centroids()
    right = {}
    for name, part in (("train", data.train), ("test", data.test)):
        known = _answers(trainer.model, part.images / 255) == part.labels
        far = _farthest(distances(part.images, part.labels, means), part.labels)
        right[name] = {
            "farthest": 100 * float(known[far].float().mean()),
            "rest": 100 * float(known[~far].float().mean()),
        }
    answers = _answers(trainer.model, means.view(-1, 1, 28, 28) / 255)
    return {
        "centroids": answers.tolist(),
        "right": right,
        "nearest": {layer: _nearest(trainer.model, data, layer) for layer in ("conv1", "conv2")},
        "example": _example(trainer.model, data.test.images[:1] / 255),
    }


def _nearest(model: nn.Module, data: DataSplits, layer: str) -> float:
    """Of how many test images the nearest prototype is their own class's, in %."""
    memory = ClassMemory(data.num_classes)
    memory.update(_signatures(model, data.train, layer), data.train.labels)
    match = memory.match(_signatures(model, data.test, layer), data.test.labels)
    return 100 * float((match.nearest == data.test.labels).float().mean())


def _signatures(model: nn.Module, images: ImageSet, layer: str) -> Tensor:
    parts = torch.split(images.images, 500)
    return torch.cat(
        [signature(maps_at(model, layer, part / 255), deviation="paper") for part in parts]
    )


def _example(model: nn.Module, image: Tensor) -> dict[str, Any]:
    maps = maps_at(model, "conv1", image)
    vector = signature(maps, deviation="paper")[0].view(-1, 2)
    return {
        "maps": [[round(value, 4) for value in row.tolist()] for row in maps[0].flatten(1)],
        "signature": [[round(value, 4) for value in pair] for pair in vector.tolist()],
    }


def centroids() -> Tensor:
    """Give the mean of each class's training images.

    Returns:
        `(10, 784)`, float32, in [0, 255].

    Source: the paper's figure 1.

    Examples:
        >>> centroids().shape
        torch.Size([10, 784])
    """
    train = read("mnist").train
    moments = ClassMoments(10, 784)
    moments.update(train.images.flatten(1), train.labels)
    return moments.means


def distances(images: Tensor, labels: Tensor, means: Tensor) -> Tensor:
    """Measure how far each image lies from the centroid of its class.

    Args:
        images: `(N, 1, 28, 28)`, uint8.
        labels: `(N,)`, int64.
        means: `(10, 784)`.

    Returns:
        `(N,)`, euclidean distances, in grey levels.

    Source: the paper's section 3.

    Examples:
        >>> white = torch.full((1, 1, 28, 28), 255, dtype=torch.uint8)
        >>> distances(white, torch.tensor([0]), torch.zeros(10, 784))  # 28 · 255
        tensor([7140.])
    """
    return own_distances(images.flatten(1).float(), labels, means)


def _farthest(distances: Tensor, labels: Tensor) -> Tensor:
    """Mark the farthest images of each class."""
    far = torch.zeros(len(labels), dtype=torch.bool)
    for k in range(int(labels.max()) + 1):
        own = (labels == k).nonzero()[:, 0]
        far[own[distances[own].topk(round(FARTHEST * len(own))).indices]] = True
    return far


@torch.inference_mode()
def _answers(model: nn.Module, images: Tensor) -> Tensor:
    with guest(model):
        parts = torch.split(images, 500)
        logits = [first_tensor(model(part), "the model's output") for part in parts]
    return torch.cat(logits).argmax(1)
