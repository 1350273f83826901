"""What a training leaves out: the images that it skipped most often so far."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from imprint.app.course import Course
from imprint.report import Shown, picture
from imprint.runs import read_json, read_tensors
from imprint.types import ImageSet

__all__ = ["Skips", "most_skipped", "shown_skips"]

A_CLASS = 4
"""Images of a class."""

CLASSES = 12
"""Classes that are shown."""

SKIPS = "tally/skips"
"""How often each image was left out, in a checkpoint."""


class Skips(NamedTuple):
    """An image, and how often it was left out.

    Attributes:
        row: in the training data.
        label: its class.
        times: how often.
    """

    row: int
    label: int
    times: int


def most_skipped(folder: Path, course: Course, images: ImageSet) -> list[Skips]:
    """Find the images of each class that were skipped most often so far.

    Args:
        folder: of the run.
        course: of its training.
        images: that it trains on.

    Returns:
        A few of each class, the most often skipped first; none where nothing is left out.

    Examples:
        >>> labels = torch.tensor([0])
        >>> images = ImageSet(torch.zeros(1, 1, 4, 4).byte(), labels, ("a",))
        >>> most_skipped(Path("nowhere"), Course({}, "running", 8, None, 0.0), images)
        []
    """
    if "skip" not in course.runs:
        return []
    if course.state == "done":
        return _told(read_json(folder / "result.json"))
    path = folder / "checkpoint-skip.safetensors"
    counts = read_tensors(path)[0].get(SKIPS) if path.is_file() else None
    if counts is None or len(counts) != len(images):
        return []
    return [own for k in range(len(images.class_names)) for own in _of_class(counts, images, k)]


def shown_skips(skips: Sequence[Skips], images: ImageSet) -> list[Shown]:
    """Make pictures of images that were skipped.

    Args:
        skips: of the images.
        images: that it trains on.

    Returns:
        The pictures, with class and number of times.

    Examples:
        >>> images = ImageSet(torch.zeros(1, 1, 4, 4).byte(), torch.tensor([0]), ("cat",))
        >>> shown_skips([Skips(0, 0, 3)], images)[0].note
        'cat, image 0, skipped 3 times'
    """
    known = [own for own in skips if own.row < len(images) and own.label < CLASSES]
    return [
        Shown(
            picture(images.images[own.row]),
            f"{images.class_names[own.label]}, image {own.row}, skipped {_times(own.times)}",
        )
        for own in known
    ]


def _of_class(counts: torch.Tensor, images: ImageSet, label: int) -> list[Skips]:
    members = (images.labels == label).nonzero()[:, 0]
    own = counts[members]
    order = own.argsort(descending=True, stable=True)[:A_CLASS]
    return [Skips(int(members[k]), label, int(own[k])) for k in order if own[k] > 0]


def _told(result: Mapping[str, Any]) -> list[Skips]:
    run = result.get("skip") if "plain" in result else result
    if not isinstance(run, dict) or not run.get("most_skipped"):
        return []
    pairs = zip(run["most_skipped"], run["most_skipped_counts"], strict=True)
    return [
        Skips(row, label, times)
        for label, (rows, counts) in enumerate(pairs)
        for row, times in list(zip(rows, counts, strict=True))[:A_CLASS]
    ]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
