"""Image files to be indexed: found below a folder, hashed, read."""

import hashlib
import os
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from imprint.data import IMAGE_SUFFIXES, spelled
from imprint.data.decoding import Encoded, Shape, choose_shape, decode, survey
from imprint.errors import InvalidValueError, MissingFileError
from imprint.searching.entries import Entry

__all__ = ["file_entry", "hash_file", "image_paths", "shape_of_files"]

SURVEYED = 256
"""Files whose headers decide on a shape, where none is given."""


def image_paths(folder: Path) -> tuple[list[str], list[str]]:
    """List the images in a folder and all folders below it.

    Args:
        folder: that exists.

    Returns:
        Their paths below the folder, sorted, and those of links that lead out of it, which are
        refused. What is hidden is passed over, and folders that are links are not entered.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as place:
        ...     _ = (Path(place) / "a.png").write_bytes(b"")
        ...     (Path(place) / "b.png").symlink_to("/etc/hostname")
        ...     image_paths(Path(place))
        (['a.png'], ['b.png'])
    """
    root = os.path.realpath(folder)  # unlike resolve(), it takes links in a circle
    found: list[str] = []
    refused: list[str] = []
    for below, is_file in _walk(folder):
        path = folder / below
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
            refused.append(below)
        elif is_file:
            found.append(below)
    return sorted(found), sorted(refused)


def _walk(folder: Path) -> Iterator[tuple[str, bool]]:
    """Images below a folder, and folders that are links, by name and whether it is an image."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = Path(place).relative_to(folder)
        yield from (
            (str(below / name), False) for name in folders if Path(place, name).is_symlink()
        )
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES:
                yield (below / name).as_posix(), True


def file_entry(folder: Path, below: str) -> Entry:
    """Say how one image file is to be indexed.

    Args:
        folder: that was named.
        below: its path in there.

    Returns:
        The entry: its id is the path in the folder, its label the name of the folder that it is
        in. The file is read when it is asked for.

    Examples:
        >>> entry = file_entry(Path("photos"), "cat/1.png")
        >>> entry.id, entry.label
        ('cat/1.png', 'cat')
    """
    path = folder / below
    label = path.parent.name if "/" in below else None
    whole = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow the link
    return Entry(
        spelled(below),
        spelled(str(whole)),
        None if label is None else spelled(label),
        partial(hash_file, path),
        partial(_read, path, below),
    )


def shape_of_files(folder: Path, paths: list[str]) -> Shape:
    """Choose the shape that image files are brought to.

    Args:
        folder: that was named.
        paths: in there.

    Returns:
        Channels, height and width: of the first 256 that can be read, as `choose_shape` chooses.

    Raises:
        InvalidValueError: where none of these can be read.

    Examples:
        >>> shape_of_files(Path("nowhere"), [])
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: data: expected images to be read in nowhere, got none
    """
    files = (Encoded(own, folder / own) for own in paths if (folder / own).is_file())
    seen = survey(islice(files, SURVEYED), lenient=True)
    if not len(seen.sizes):
        raise InvalidValueError(f"data: expected images to be read in {folder}, got none")
    return choose_shape(seen)


def _checked(path: Path) -> Path:
    """The path of a file; a pipe would keep its reader waiting."""
    if not path.is_file():
        raise MissingFileError(f"{path.name}: expected a file, found none")
    return path


def hash_file(path: Path) -> str:
    """Hash what a file holds.

    Args:
        path: of the file.

    Returns:
        SHA-256, in hexadecimal digits.

    Raises:
        MissingFileError: where it is no file, such as a pipe, which would keep its reader waiting.
        OSError: where it cannot be read.

    Examples:
        >>> len(hash_file(Path(__file__)))
        64
    """
    with _checked(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path, name: str, shape: Shape) -> tuple[str, Tensor]:
    """The hash and the pixels, of the same bytes: a file may change while it is read."""
    content = _checked(path).read_bytes()
    pixels = decode(Encoded(name, content), shape)
    return hashlib.sha256(content).hexdigest(), torch.from_numpy(np.array(pixels))
