"""What lies nearest to an image in the index."""

from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from imprint.app.listening import Listening
from imprint.app.sources import Sources
from imprint.data import IMAGE_SUFFIXES, KNOWN, read_picture
from imprint.errors import ImprintError, InvalidValueError, LayerError
from imprint.report import Shown, picture
from imprint.searching import Found, Gallery
from imprint.training import Trained

__all__ = ["Neighbours", "neighbours_of"]

NEAREST = 12
"""Neighbours that are shown."""


class Neighbours(NamedTuple):
    """The nearest images.

    Attributes:
        shown: in pictures, the nearest first.
        hidden: how many more there are whose images may not or cannot be read.
    """

    shown: list[Shown]
    hidden: int


def neighbours_of(sources: Sources, trained: Trained, image: Tensor) -> Neighbours:
    """Find what lies nearest to an image in the index.

    Args:
        sources: of the app, with an index of images.
        trained: the network whose signatures it holds.
        image: `(C, H, W)`, uint8.

    Returns:
        The neighbours.

    Raises:
        InvalidValueError: where the index holds another network's signatures.

    Examples:
        >>> neighbours_of.__name__
        'neighbours_of'
    """
    index = sources.index
    if index is None:
        raise InvalidValueError("index: expected one in --index, got none")
    gallery = _opened(index, trained)
    found = gallery.search(image, k=NEAREST)
    read = [(row, _image(sources, row)) for row in found]
    shown = [Shown(picture(own), _note(row)) for row, own in read if own is not None]
    return Neighbours(shown, len(found) - len(shown))


def _opened(index: Listening, trained: Trained) -> Gallery:
    """The index with the network, where it holds that network's signatures."""
    about = index.about
    try:
        return Gallery(
            index.uri,
            model=trained.model,
            layer=about.layer,
            normalisation=trained.normalisation,
            deviation=about.deviation,
        )
    except (InvalidValueError, LayerError) as error:
        got = f"those of {about.run or 'another network'}"
        expected = f"signatures of this network, got {got}"
        raise InvalidValueError(f"index: expected {expected}") from error


def _note(row: Found) -> str:
    label = "" if row.label is None else f", {row.label}"
    return f"{row.rank}. {row.id}{label}, similarity {row.similarity:.4f}"


def _image(sources: Sources, row: Found) -> Tensor | None:
    """The image that a row names: a file, or a data set's part and number."""
    shape = sources.index.about.shape if sources.index else None
    try:
        if Path(row.path).suffix.lower() in IMAGE_SUFFIXES:
            return read_picture(sources.folders.file(row.path), shape=shape)
        source, _, place = row.path.rpartition("#")
        part, _, number = place.rpartition("/")
        if source not in KNOWN:
            sources.folders.file(source)
        return sources.data.parts({"data": source})[part].images.images[int(number)]
    except (ImprintError, OSError, ValueError, LookupError):
        return None
