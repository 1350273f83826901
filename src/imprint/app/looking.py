"""One image on its way through a network: answer, exit, maps, occlusion."""

from typing import NamedTuple

import torch
from torch import Tensor

from imprint.data import normalise
from imprint.early_exit import EarlyExit, Route
from imprint.errors import InvalidValueError
from imprint.outputs import first_tensor
from imprint.report import Grid, largest, map_grid, overlay
from imprint.report.pictures import to_look_at
from imprint.seeing import LayerMaps, layer_maps, occlusion
from imprint.seeing.images import answers
from imprint.taps import guest
from imprint.training import Trained

__all__ = [
    "Answer",
    "answer_of",
    "layers_of",
    "maps_picture",
    "occlusion_picture",
    "where_answered",
]

TOP = 5
"""Classes of an answer that are shown."""

CHANNELS = 64
"""Channels of a layer that are shown."""

PLACES = 15
"""Places of the covering patch in a row, at least, on a larger image."""


class Answer(NamedTuple):
    """What a network takes an image for.

    Attributes:
        classes: and their probabilities, the most probable first, at most five.
        label: the number of the first.
    """

    classes: list[tuple[str, float]]
    label: int


def answer_of(trained: Trained, image: Tensor) -> Answer:
    """Ask a network what an image is.

    Args:
        trained: the network; it is left as it was.
        image: `(C, H, W)`, uint8.

    Returns:
        Its answer.

    Raises:
        InvalidValueError: for an image of another shape.

    Examples:
        >>> from imprint.types import Normalisation
        >>> scale = Normalisation((0.0,), (1.0,))
        >>> trained = Trained(torch.nn.Flatten(), None, scale, (1, 1, 2), ("dark", "light"))
        >>> answer_of(trained, torch.tensor([[[0, 255]]], dtype=torch.uint8)).classes[0][0]
        'light'
    """
    with guest(trained.model), torch.no_grad():
        logits = answers(trained.model, _taken(trained, image))[0].float().softmax(0)
    values, classes = logits.topk(min(TOP, len(logits)))
    named = [(_name(trained, int(k)), float(p)) for k, p in zip(classes, values, strict=True)]
    return Answer(named, int(classes[0]))


def where_answered(trained: Trained, exits: EarlyExit, image: Tensor) -> str:
    """Say at which layer an image would be answered, and what.

    Args:
        trained: the network; it is left as it was.
        exits: of the network.
        image: `(C, H, W)`, uint8.

    Returns:
        A sentence.

    Examples:
        >>> from imprint.types import Normalisation
        >>> scale = Normalisation((0.0,), (1.0,))
        >>> trained = Trained(torch.nn.Flatten(), None, scale, (1, 1, 2), ("dark", "light"))
        >>> image = torch.tensor([[[0, 255]]], dtype=torch.uint8)
        >>> where_answered(trained, EarlyExit(()), image)
        'Answered at the end: light.'
    """
    routes: list[Route] = []
    images = _taken(trained, image)
    with guest(trained.model), torch.inference_mode(), exits(trained.model, routes.append):
        label = int(first_tensor(trained.model(images), "the model").argmax())
    places = [own.layer for own in exits.exits]
    taken = int(routes[0].taken[0])
    answer = f"{_name(trained, label)}."
    if taken >= len(places):
        return f"Answered at the end: {answer}"
    rest = len(places) - taken - 1
    later = f", with {rest} more {'exit' if rest == 1 else 'exits'} to come" if rest else ""
    return f"Answered early, at {places[taken]}{later}: {answer}"


def layers_of(trained: Trained, image: Tensor) -> dict[str, LayerMaps]:
    """Follow an image through all layers.

    Args:
        trained: the network; it is left as it was.
        image: `(C, H, W)`, uint8.

    Returns:
        The maps of each layer by a title with its kind and shape, in order of execution.

    Examples:
        >>> from imprint.types import Normalisation
        >>> scale = Normalisation((0.0,), (1.0,))
        >>> network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.Flatten())
        >>> trained = Trained(network, None, scale, (1, 3, 3), ("a", "b"))
        >>> list(layers_of(trained, torch.zeros(1, 3, 3).byte()))
        ['0: Conv2d, 2 maps of 3 x 3']
    """
    found = layer_maps(trained.model, _taken(trained, image))
    return {
        f"{row.name}: {row.kind}, {row.shape[0]:,} maps of {row.shape[1]} x {row.shape[2]}": row
        for row in found
    }


def maps_picture(row: LayerMaps) -> Grid:
    """Show a layer's maps side by side.

    Args:
        row: the maps of one image.

    Returns:
        The grid, at most 64 channels, in signed colours with one scale.

    Examples:
        >>> maps_picture(LayerMaps("0", "Conv2d", torch.zeros(1, 2, 3, 3))).note
        'maps of 0, 2 of 2 channels, blue below zero and orange above, the clearest at 1'
    """
    maps = row.maps[0, :CHANNELS].float().cpu()
    scale = largest(maps)
    which = f"{len(maps)} of {row.shape[0]} channels"
    note = f"maps of {row.name}, {which}, blue below zero and orange above, the clearest at "
    return map_grid(maps, scale=scale, note=f"{note}{scale:.3g}", columns=8, side=96)


def occlusion_picture(trained: Trained, image: Tensor, label: int) -> tuple[Grid, str]:
    """Cover an image piece by piece, and show where the answer's probability falls.

    Args:
        trained: the network; it is left as it was.
        image: `(C, H, W)`, uint8.
        label: the class that is watched.

    Returns:
        The heat over the image, and what it says.

    Raises:
        MissingExtraError: without captum.

    Examples:
        >>> occlusion_picture.__name__
        'occlusion_picture'
    """
    height, width = image.shape[1:]
    side = max(1, min(height, width) // 6)
    stride = max(1, min(side, max(height, width) // PLACES))
    falls = occlusion(trained.model, _taken(trained, image), label, patch=side, stride=stride)[0]
    most, name = float(falls.abs().max()), _name(trained, label)
    note = f"where covering {side} x {side} pixels takes from the probability of {name}"
    seen = to_look_at(image[None])[0]
    deepest = f"orange takes, blue adds; at most {100 * most:.1f} points"
    return overlay(seen, falls.cpu() / (most or 1.0), note=note), f"{note}: {deepest}"


def _taken(trained: Trained, image: Tensor) -> Tensor:
    if tuple(image.shape) != trained.shape:
        expected = f"{trained.shape}, as the network takes them"
        raise InvalidValueError(f"image: expected {expected}; got {tuple(image.shape)}")
    return normalise(image[None], trained.normalisation)


def _name(trained: Trained, label: int) -> str:
    names = trained.class_names
    return names[label] if label < len(names) else f"class {label}"
