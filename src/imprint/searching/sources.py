"""What a gallery is given, as entries to be indexed."""

import os
from functools import partial
from itertools import chain
from pathlib import Path

from imprint.data import (
    IMAGE_SUFFIXES,
    KNOWN,
    AudioOptions,
    is_audio,
    is_image_folder,
    survey,
)
from imprint.data.places import data_folder
from imprint.errors import InvalidValueError
from imprint.searching.entries import LINK, Entries, part_entries
from imprint.searching.files import file_entry, image_paths, shape_of_files
from imprint.searching.tracks import track_entries
from imprint.types import DataPart, ImageSet

__all__ = ["entries_of"]

Shape = tuple[int, int, int]


def entries_of(
    source: str | Path | ImageSet | DataPart,
    shape: Shape | None,
    audio: AudioOptions | None = None,
) -> Entries:
    """Find what is to be indexed.

    Args:
        source: a folder of images (all below it), an image file, audio as for `imprint.load` or a
            single file of it, a data set likewise, or images with their labels, and with their
            paths in a `DataPart`.
        shape: channels, height and width that files are brought to; None: their own where they
            agree, else the median.
        audio: how sound becomes images; None as is usual.

    Returns:
        The entries.

    Raises:
        InvalidValueError: where there is no image, or those of a set have another shape.
        MissingFileError: where there is no such data.

    Examples:
        >>> entries_of("mnist", None).shape
        (1, 28, 28)
    """
    if isinstance(source, ImageSet | DataPart):
        part = DataPart(source) if isinstance(source, ImageSet) else source
        return _of_parts("images", {"all": part}, shape)
    if not isinstance(source, str | Path):
        expected = "a path, the name of a set or images with labels"
        raise InvalidValueError(f"source: expected {expected}, got {type(source).__name__}")
    place = _place_of(source)
    if place is not None and is_audio(place):
        return track_entries(place, audio or AudioOptions(), shape)
    if place is not None and is_image_folder(place):
        paths, links = image_paths(place)
        return _of_files(place, paths, [(link, LINK) for link in links], shape)
    if place is not None and place.is_file() and place.suffix.lower() in IMAGE_SUFFIXES:
        return _of_files(place.parent, [place.name], [], shape)
    name = str(source) if place is None else os.path.abspath(place)  # noqa: PTH100 - keeps links
    return _of_parts(name, survey(source), shape)


def _place_of(source: str | Path) -> Path | None:
    """Where a source lies here, or in the folder that `IMPRINT_DATA` names; None elsewhere."""
    path, named = Path(source).expanduser(), data_folder()
    places = [path, named / path] if named else [path]
    return None if str(source) in KNOWN else next((own for own in places if own.exists()), None)


def _of_files(
    folder: Path, paths: list[str], refused: list[tuple[str, str]], shape: Shape | None
) -> Entries:
    if not paths:
        expected = f"images ({', '.join(sorted(IMAGE_SUFFIXES))})"
        raise InvalidValueError(f"data: expected a folder with {expected}, got {folder}")
    own = shape or shape_of_files(folder, paths)
    return Entries(len(paths), own, map(partial(file_entry, folder), paths), refused)


def _of_parts(name: str, parts: dict[str, DataPart], shape: Shape | None) -> Entries:
    channels, height, width = next(iter(parts.values())).images.images.shape[1:]
    own = (channels, height, width)
    if shape not in (None, own):
        raise InvalidValueError(f"data: expected images {shape}, as the index has; got {own}")
    total = sum(len(part.images) for part in parts.values())
    entries = chain.from_iterable(part_entries(name, *part) for part in parts.items())
    broken = [own for part in parts.values() for own in part.unreadable]
    return Entries(total, own, entries, [(each.path, each.reason) for each in broken])
