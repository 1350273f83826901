"""What the base network makes of centroids and of the images farthest from them."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from imprint.exploring import ClassMoments, own_distances
from imprint.outputs import first_tensor
from imprint.reproduce.base import BASE, read, seeded
from imprint.reproduce.cells import Cell
from imprint.taps import guest
from imprint.training.building import build_trainer
from imprint.training.settings import TrainSettings

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
    """
    return list(seeded(replace(BASE, batch_size=BATCH), seeds))


def knowledge_cell(settings: TrainSettings) -> Cell:
    """Name the work of training a network on MNIST and asking it.

    Args:
        settings: its seed counts.

    Returns:
        The cell; it gives `centroids`, the answer to each class's centroid, and `right`: of the
        training and the test images, the share (%) of the farthest and of the rest that it knows.
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
    return {"centroids": answers.tolist(), "right": right}


def centroids() -> Tensor:
    """Give the mean of each class's training images.

    Returns:
        `(10, 784)`, float32, in [0, 255].

    Source: the paper's figure 1.
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
