"""Rounds of an attack: each network attacked at each epsilon, and judged; rows of the result."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from imprint.attacking.settings import AttackSettings
from imprint.robustness import (
    LOSSES,
    input_gradients,
    pixel_batches,
    right_answers,
    sign_noise,
    transferred,
)
from imprint.taps import device_of
from imprint.types import ImageSet

__all__ = ["Networks", "Row", "attack_rows", "network_row", "noise_rows", "right_ones"]

Networks = Mapping[str, nn.Module]
"""By name; each takes pixels in [0, 1]."""

Row = dict[str, Any]
"""A row of the result."""


def right_ones(model: nn.Module, part: ImageSet, settings: AttackSettings) -> Tensor:
    """Tell which images a network answers rightly before any attack.

    Args:
        model: takes pixels in [0, 1].
        part: the images.
        settings: how many run together.

    Returns:
        `(N,)`, bool, on the CPU.

    Examples:
        >>> part = ImageSet(torch.zeros(1, 2, 1, 1).byte(), torch.tensor([0]), ("a", "b"))
        >>> right_ones(nn.Flatten(), part, AttackSettings())
        tensor([True])
    """
    return torch.cat(
        [right_answers(model, *each).cpu() for each in _batches(model, part, settings)]
    )


def network_row(
    name: str, model: nn.Module, part: ImageSet, right: Tensor, settings: AttackSettings
) -> Row:
    """Say how a network stands before the attack.

    Args:
        name: of the network.
        model: takes pixels in [0, 1].
        part: the images.
        right: `(N,)`, bool: which ones it answers rightly.
        settings: whose loss is asked for its gradient.

    Returns:
        Its name, its accuracy, and how many images no gradient leads back to.

    Examples:
        >>> part = ImageSet(torch.zeros(1, 2, 1, 1).byte(), torch.tensor([0]), ("a", "b"))
        >>> network_row("a", nn.Flatten(), part, torch.tensor([True]), AttackSettings())
        {'name': 'a', 'clean_accuracy': 1.0, 'without_gradient': 0}
    """
    loss, without = LOSSES[settings.loss], 0
    for pixels, labels in _batches(model, part, settings):
        gradients = input_gradients(model, pixels, labels, loss=loss)
        without += int((~gradients.flatten(1).any(1)).sum())
    clean = int(right.sum()) / len(part)
    return {"name": name, "clean_accuracy": clean, "without_gradient": without}


def attack_rows(
    networks: Networks,
    part: ImageSet,
    settings: AttackSettings,
    on_batch: Callable[[int], None] = lambda _: None,
) -> Iterator[Row]:
    """Judge each network on images made on each, at each epsilon.

    Args:
        networks: by name.
        part: the images.
        settings: how.
        on_batch: called with the number of images of each batch that is done.

    Yields:
        a row for each epsilon, network that the images are made on, and network that is judged.

    Examples:
        >>> part = ImageSet(torch.zeros(1, 2, 1, 1).byte(), torch.tensor([0]), ("a", "b"))
        >>> list(attack_rows({"a": nn.Flatten()}, part, AttackSettings(epsilons=(0.5,))))
        [{'epsilon': 0.5, 'made_on': 'a', 'judged_on': 'a', 'accuracy': 0.0}]
    """
    for epsilon in sorted(settings.epsilons):
        for made_on, source in networks.items():
            counts = transferred(
                source,
                list(networks.values()),
                part.images,
                part.labels,
                epsilon=epsilon,
                attack=settings.maker(),
                batch_size=settings.batch_size,
                on_batch=on_batch,
            )
            for name, count in zip(networks, counts, strict=True):
                made = {"epsilon": epsilon, "made_on": made_on, "judged_on": name}
                yield made | {"accuracy": count / len(part)}


def noise_rows(networks: Networks, part: ImageSet, settings: AttackSettings) -> Iterator[Row]:
    """Judge each network on images under noise as large as the attack, the same for all.

    Args:
        networks: by name.
        part: the images.
        settings: epsilons and seed.

    Yields:
        a row for each epsilon and network.

    Examples:
        >>> part = ImageSet(torch.zeros(1, 2, 1, 1).byte(), torch.tensor([0]), ("a", "b"))
        >>> list(noise_rows({"a": nn.Flatten()}, part, AttackSettings(epsilons=(0.0,))))
        [{'epsilon': 0.0, 'judged_on': 'a', 'accuracy': 1.0}]
    """
    for epsilon in sorted(settings.epsilons):
        generator = torch.Generator().manual_seed(settings.seed)
        counts = transferred(
            next(iter(networks.values())),
            list(networks.values()),
            part.images,
            part.labels,
            epsilon=epsilon,
            attack=partial(_noise, generator=generator),
            batch_size=settings.batch_size,
        )
        for name, count in zip(networks, counts, strict=True):
            yield {"epsilon": epsilon, "judged_on": name, "accuracy": count / len(part)}


def _noise(
    _model: nn.Module,
    images: Tensor,
    _labels: Tensor,
    *,
    epsilon: float,
    generator: torch.Generator,
) -> Tensor:
    """Noise in the place of an attack, which asks no network."""
    return sign_noise(images, epsilon=epsilon, generator=generator)


def _batches(
    model: nn.Module, part: ImageSet, settings: AttackSettings
) -> Iterator[tuple[Tensor, Tensor]]:
    return pixel_batches(part.images, part.labels, settings.batch_size, device_of(model))
