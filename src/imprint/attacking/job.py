"""Attack networks: from images to how often each is still right."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from imprint.attacking.examples import examples_of
from imprint.attacking.record import AttackResult
from imprint.attacking.results import Attacked, result_of
from imprint.attacking.rounds import (
    Networks,
    Row,
    attack_rows,
    network_row,
    noise_rows,
    right_ones,
)
from imprint.attacking.settings import AttackSettings
from imprint.data import from_dataset
from imprint.errors import InvalidValueError
from imprint.robustness import check_attackable, pixel_batches
from imprint.robustness.extra import captum_robust
from imprint.stages import Stages
from imprint.taps import device_of
from imprint.types import ImageSet

__all__ = ["attack"]

TRIED = 16
"""Images that tell before the long work whether a network can be attacked."""


def attack(
    models: nn.Module | Networks,
    images: Any,
    *,
    settings: AttackSettings | None = None,
    on_batch: Callable[[int, int], None] = lambda _done, _all: None,
    on_row: Callable[[Row], None] = lambda _: None,
) -> AttackResult:
    """Make images that fool each network, and judge each network on all of them.

    Args:
        models: a network, or several by name. Each takes pixels in [0, 1] and gives logits, one a
            class; `imprint.robustness.on_pixels` puts a normalisation inside. They run in eval
            mode where they are, and are left as they were.
        images: an `ImageSet`, or any map-style data set of `(image, label)`, which is taken into
            memory. Best such as the networks were not trained on.
        settings: how; None takes the usual ones.
        on_batch: called after each batch with the images attacked so far, and with all that will
            be, each counted once a network and epsilon.
        on_row: called with each row of `accuracy` in the result as it is known.

    Returns:
        What it came to.

    Raises:
        ImprintError: for images or networks that do not fit each other, and a network that has no
            gradient to its input.
        MissingExtraError: without `imprint[attack]`.

    Source: Goodfellow et al. (2015); Madry et al. (2018); for images made on one network and judged
    on another, Papernot et al. (2016), "Transferability in machine learning".

    Examples:
        >>> import torch
        >>> images = torch.tensor([[255, 0], [180, 20]], dtype=torch.uint8).view(2, 2, 1, 1)
        >>> pair = ImageSet(images, torch.tensor([0, 0]), ("first", "second"))
        >>> settings = AttackSettings(epsilons=(0.0, 0.4))
        >>> found = attack(nn.Flatten(), pair, settings=settings)
        >>> [row["accuracy"] for row in found.result["accuracy"]]
        [1.0, 0.5]
    """
    settings = settings or AttackSettings()
    captum_robust()
    networks = _named(models)
    part = _part(images)
    _check(networks, part)
    stages = Stages(lambda _: None)
    with stages("clean"):
        right = {name: right_ones(model, part, settings) for name, model in networks.items()}
        clean = [network_row(name, networks[name], part, right[name], settings) for name in right]
    with stages("attack"):
        total = len(networks) * len(settings.epsilons) * len(part)
        made = attack_rows(networks, part, settings, _counting(total, on_batch))
        accuracy = [_told(row, on_row) for row in made]
    with stages("noise"):
        noise = list(noise_rows(networks, part, settings))
    with stages("examples"):
        examples = [
            example
            for name, model in networks.items()
            for example in examples_of(name, model, part, right[name], settings)
        ]
    attacked = Attacked(part, clean, accuracy, noise, examples)
    return AttackResult(attacked, result_of(attacked, settings, seconds=stages.seconds))


def _named(models: Any) -> Networks:
    """The networks by name."""
    if isinstance(models, nn.Module):
        return {"network": models}
    if isinstance(models, Mapping):
        return dict(models)
    got = type(models).__name__
    raise InvalidValueError(f"models: expected a network, or a dict of them by name; got {got}")


def _told(row: Row, on_row: Callable[[Row], None]) -> Row:
    on_row(row)
    return row


def _part(images: Any) -> ImageSet:
    part = images if isinstance(images, ImageSet) else from_dataset(images)
    if not len(part):
        raise InvalidValueError("images: expected at least one, got none")
    return part


def _check(networks: Networks, part: ImageSet) -> None:
    """Check with a few images that each network can be attacked and has the data's classes."""
    if not networks:
        raise InvalidValueError("models: expected at least one, got none")
    classes = len(part.class_names)
    for name, model in networks.items():
        ((pixels, labels),) = pixel_batches(
            part.images[:TRIED], part.labels[:TRIED], TRIED, device_of(model)
        )
        try:
            check_attackable(model, pixels, labels, classes=classes)
        except InvalidValueError as error:
            raise InvalidValueError(f"{name}: {error}") from error


def _counting(total: int, on_batch: Callable[[int, int], None]) -> Callable[[int], None]:
    """Add up the images of batches."""
    done = 0

    def count(images: int) -> None:
        nonlocal done
        done += images
        on_batch(done, total)

    return count
