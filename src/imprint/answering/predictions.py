"""What a network answers to images, and where each answer came from."""

from collections.abc import Iterable, Iterator
from math import isnan
from typing import NamedTuple

import torch
from torch import Tensor, nn

from imprint.answering.exported import ExportedNetwork
from imprint.answering.inputs import Named
from imprint.data import normalise
from imprint.early_exit import DriftMonitor, EarlyExit, Route
from imprint.errors import InvalidValueError
from imprint.outputs import first_tensor
from imprint.taps import device_of, guest
from imprint.types import Normalisation

__all__ = ["Prediction", "predict", "predict_exported"]


class Prediction(NamedTuple):
    """An answer.

    Attributes:
        input: the image's name.
        label: the class's name; none where the network gives NaN.
        confidence: the probability that whoever answered gives it, in (0, 1], or NaN.
        exit: the layer where it was answered, or `end`.
    """

    input: str
    label: str
    confidence: float
    exit: str


def predict(
    model: nn.Module,
    batches: Iterable[Named],
    class_names: tuple[str, ...],
    normalisation: Normalisation,
    *,
    exits: EarlyExit | None = None,
    monitor: DriftMonitor | None = None,
) -> Iterator[list[Prediction]]:
    """Answer images, a batch after the other.

    Args:
        model: takes normalised images and gives logits, one a class; between batches it is left
            as it was.
        batches: of images.
        class_names: of the logits, in order.
        normalisation: of the images that it takes.
        exits: of the model; None answers at its end.
        monitor: of the exits, which closes them where data have moved.

    Yields:
        The answers of each batch, in its order.

    Raises:
        ImprintError: where the model's maps are not of the exits' shape, or its logits not one a
            class.

    Examples:
        >>> images = torch.tensor([[9, 0], [0, 9]], dtype=torch.uint8).view(2, 1, 2, 1)
        >>> scale = Normalisation((0.0,), (1.0,))
        >>> for answers in predict(nn.Flatten(), [Named(["x", "y"], images)], ("a", "b"), scale):
        ...     [(own.input, own.label, own.exit) for own in answers]
        [('x', 'a', 'end'), ('y', 'b', 'end')]
    """
    exits = exits or EarlyExit(())
    places = exits.places
    device = device_of(model)
    for names, pixels in batches:
        images = normalise(pixels, normalisation, channels_last=True).to(device)
        logits, taken = _answer(model, exits, images, monitor)
        where = [places[number] for number in taken.tolist()]
        yield _predictions(names, logits, where, class_names)


def predict_exported(
    network: ExportedNetwork, batches: Iterable[Named], monitor: DriftMonitor | None = None
) -> Iterator[list[Prediction]]:
    """Answer images with an exported network, as `predict` does with the network itself.

    Args:
        network: with its exits.
        batches: of images.
        monitor: of the exits, which closes them where data have moved.

    Yields:
        The answers of each batch, in its order.

    Raises:
        InvalidValueError: for images of another shape, or logits that are not one a class.

    Examples:
        >>> from pathlib import Path
        >>> predict_exported(ExportedNetwork.load(Path("nowhere")), [])
        Traceback (most recent call last):
        imprint.errors.MissingFileError: expected a file nowhere/exits.json, found none
    """
    for names, pixels in batches:
        logits, taken = network.answer(pixels.numpy(), monitor)
        places = [network.places[number] for number in taken]
        yield _predictions(names, torch.from_numpy(logits), places, network.class_names)


def _predictions(
    names: list[str], logits: Tensor, places: list[str], class_names: tuple[str, ...]
) -> list[Prediction]:
    if logits.shape[1] != len(class_names):
        got = f"{len(class_names)} for {logits.shape[1]} logits"
        raise InvalidValueError(f"class_names: expected a name for each logit, got {got}")
    sure, labels = logits.softmax(1).max(1)
    return [
        Prediction(name, "" if isnan(share) else class_names[label], share, place)
        for name, label, share, place in zip(
            names, labels.tolist(), sure.tolist(), places, strict=True
        )
    ]


@torch.inference_mode()
def _answer(
    model: nn.Module, exits: EarlyExit, images: Tensor, monitor: DriftMonitor | None
) -> tuple[Tensor, Tensor]:
    routes: list[Route] = []
    with guest(model), exits(model, routes.append, monitor):
        logits = first_tensor(model(images), "the model")
    return logits.float().cpu(), routes[0].taken.cpu()
