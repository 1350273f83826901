"""How often networks are right on images that were made to fool one of them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from imprint.errors import InvalidValueError
from imprint.robustness.answers import right_answers
from imprint.robustness.attacks import fgsm
from imprint.robustness.pixels import check_labels, pixels_of
from imprint.taps import device_of

__all__ = ["Attack", "accuracy_over_epsilons", "pixel_batches", "transferred"]

BATCH = 500
"""Images attacked at a time."""


class Attack(Protocol):
    """Makes adversarial images, as `fgsm` does; `partial(pgd, steps=40)` is one as well."""

    def __call__(
        self, model: nn.Module, images: Tensor, labels: Tensor, *, epsilon: float
    ) -> Tensor:
        """Make them.

        Args:
            model: on which they are made.
            images: `(N, C, H, W)`, floats in [0, 1].
            labels: `(N,)`, int64.
            epsilon: the largest change of a pixel.
        """


def accuracy_over_epsilons(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    epsilons: Sequence[float],
    *,
    attack: Attack = fgsm,
    batch_size: int = BATCH,
) -> list[float]:
    """Measure how often a network is right on images made to fool it.

    Args:
        model: takes pixels in [0, 1] (see `on_pixels`) and gives logits; it is left as it was.
        images: `(N, C, H, W)`: uint8, or floats in [0, 1].
        labels: `(N,)`, int64.
        epsilons: largest changes of a pixel, each in [0, 1].
        attack: makes the images.
        batch_size: images attacked at a time.

    Returns:
        The accuracy at each epsilon; at 0 it is the clean one.

    Raises:
        InvalidValueError: as the attack does.

    Examples:
        >>> images = torch.tensor([[0.6, 0.4], [0.9, 0.1]]).view(2, 2, 1, 1)
        >>> accuracy_over_epsilons(nn.Flatten(), images, torch.tensor([0, 0]), [0, 0.2, 0.5])
        [1.0, 0.5, 0.0]
    """
    return [
        transferred(
            model, [model], images, labels, epsilon=each, attack=attack, batch_size=batch_size
        )[0]
        / len(labels)
        for each in epsilons
    ]


def transferred(
    source: nn.Module,
    judges: Sequence[nn.Module],
    images: Tensor,
    labels: Tensor,
    *,
    epsilon: float,
    attack: Attack = fgsm,
    batch_size: int = BATCH,
    on_batch: Callable[[int], None] = lambda _: None,
) -> list[int]:
    """Count how often networks are right on images made to fool one network.

    Args:
        source: the network on which the images are made.
        judges: those that answer; the source may be among them.
        images: and the others: as for `accuracy_over_epsilons`.
        labels: `(N,)`, int64.
        epsilon: the largest change of a pixel, in [0, 1].
        attack: makes the images.
        batch_size: images attacked at a time.
        on_batch: called with the number of images of each batch that is done.

    Returns:
        The right answers of each judge.

    Raises:
        InvalidValueError: as the attack does.

    Examples:
        >>> images = torch.tensor([[0.6, 0.4], [0.9, 0.1]]).view(2, 2, 1, 1)
        >>> model = nn.Flatten()
        >>> transferred(model, [model], images, torch.tensor([0, 0]), epsilon=0.2)
        [1]
    """
    right = [0] * len(judges)
    places = [device_of(judge) for judge in judges]
    for pixels, truth in pixel_batches(images, labels, batch_size, device_of(source)):
        made = attack(source, pixels, truth, epsilon=epsilon)
        for k, (judge, place) in enumerate(zip(judges, places, strict=True)):
            right[k] += int(right_answers(judge, made.to(place), truth.to(place)).sum())
        on_batch(len(truth))
    return right


def pixel_batches(
    images: Tensor, labels: Tensor, size: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Give images as pixels in [0, 1] with their labels, in order, some at a time.

    Args:
        images: `(N, C, H, W)`: uint8, or floats in [0, 1].
        labels: `(N,)`, int64.
        size: of a batch, but for the last.
        device: where they go.

    Yields:
        images `(B, C, H, W)`, floats, and labels `(B,)`.

    Raises:
        InvalidValueError: for no image, labels that are not one an image, or a size below 1.

    Examples:
        >>> batches = pixel_batches(torch.rand(3, 1, 2, 2), torch.arange(3), 2, torch.device("cpu"))
        >>> [len(pixels) for pixels, _ in batches]
        [2, 1]
    """
    check_labels(images, labels)
    if not len(labels):
        raise InvalidValueError("images: expected at least one, got none")
    if size < 1:
        raise InvalidValueError(f"batch_size: expected at least 1, got {size}")
    for start in range(0, len(labels), size):
        rows = slice(start, start + size)
        pixels = pixels_of(images[rows].to(device))
        # Networks in this layout run twice as fast on a CPU; for others it makes no difference.
        yield pixels.contiguous(memory_format=torch.channels_last), labels[rows].to(device)
