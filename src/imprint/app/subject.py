"""The image that a tab looks at: one that was dropped, or one of the run's own test images."""

from typing import Any, NamedTuple

from torch import Tensor

from imprint.app.sources import Sources
from imprint.data import read_picture
from imprint.errors import InvalidValueError
from imprint.training import Trained

__all__ = ["Subject", "SubjectImage", "check_images", "image_of", "numbered", "subject_of"]

Subject = str | float | None
"""The path of an upload, the number of a test image, or nothing yet."""


class SubjectImage(NamedTuple):
    """The image as a network takes it.

    Attributes:
        image: `(C, H, W)`, uint8.
        label: its class, where that is known.
        title: what it is.
    """

    image: Tensor
    label: int | None
    title: str


def subject_of(number: Any) -> int:
    """Read the number of a test image that a field holds.

    Args:
        number: what it holds.

    Returns:
        The number.

    Raises:
        InvalidValueError: for what is no whole number from 0.

    Examples:
        >>> subject_of(3.0)
        3
    """
    whole = isinstance(number, int) or (isinstance(number, float) and number.is_integer())
    if not whole or number < 0:
        raise InvalidValueError(f"test image: expected a whole number from 0, got {number}")
    return int(number)


def numbered(number: Any) -> Subject:
    """Take the number of a test image for what is looked at, and never the path of a file.

    Args:
        number: what a field holds.

    Returns:
        The number as it is, to be checked where data are known; None for what is none.

    Examples:
        >>> numbered(3), numbered("/etc/passwd"), numbered(None)
        (3, None, None)
    """
    return number if isinstance(number, int | float) else None


def check_images(trained: Trained) -> None:
    """Check that a network takes images that can be dropped.

    Args:
        trained: the network.

    Raises:
        InvalidValueError: for one that takes sound.

    Examples:
        >>> check_images.__name__
        'check_images'
    """
    if trained.shape[0] not in {1, 3}:
        got = f"one of {trained.shape}, such as sound, which imprint see shows"
        raise InvalidValueError(f"run: expected one that takes images, got {got}")


def image_of(sources: Sources, run: str, subject: Subject) -> SubjectImage:
    """Read the image that is looked at, as a run's network takes it.

    Args:
        sources: of the app.
        run: the run's name.
        subject: the path of an upload, or the number of a test image.

    Returns:
        The image.

    Raises:
        ImprintError: for a file that is no image, a number that the data do not have, or data that
            may not be read.

    Examples:
        >>> from pathlib import Path
        >>> from imprint.app.named_folders import NamedFolders
        >>> from imprint.app.sources import sources_of
        >>> sources = sources_of(NamedFolders(Path("nowhere")), None, Path("cache"))
        >>> image_of(sources, "first", 0)
        Traceback (most recent call last):
        imprint.errors.MissingFileError: run: expected one in nowhere/first, found none
    """
    trained = sources.networks.network(run)
    check_images(trained)
    if isinstance(subject, str):
        picture = read_picture(sources.upload(subject), shape=trained.shape)
        return SubjectImage(picture, None, "Your image")
    number = subject_of(subject)
    test = sources.data.splits(sources.networks.config(run)).test
    if number >= len(test):
        raise InvalidValueError(f"test image: expected 0 … {len(test) - 1:,}, got {number}")
    label = int(test.labels[number])
    title = f"Test image {number}, of class {test.class_names[label]}"
    return SubjectImage(test.images[number], label, title)
