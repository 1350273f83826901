"""Images to answer, one batch after the other: from files, from folders, from data sets."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from imprint.data import IMAGE_SUFFIXES
from imprint.errors import ImprintError, InvalidValueError
from imprint.types import DataPart

__all__ = ["Named", "file_batches", "image_files", "part_batches"]


class Named(NamedTuple):
    """Some images with their names.

    Attributes:
        names: N.
        images: `(N, C, H, W)`, uint8.
    """

    names: list[str]
    images: Tensor


def image_files(folder: Path) -> list[Path]:
    """List the images in a folder and all folders below it.

    Args:
        folder: that exists.

    Returns:
        Their paths, sorted; hidden ones are passed over.

    Raises:
        InvalidValueError: where there is none.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as place:
        ...     _ = (Path(place) / "a.png").write_bytes(b"")
        ...     [path.name for path in image_files(Path(place))]
        ['a.png']
    """
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES and not _is_hidden(path.relative_to(folder))
    )
    if not found:
        expected = f"images ({', '.join(sorted(IMAGE_SUFFIXES))})"
        raise InvalidValueError(f"input: expected a folder with {expected}, got {folder}")
    return found


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def file_batches(
    paths: Iterable[Path],
    read: Callable[[Path], Tensor],
    batch_size: int,
    on_broken: Callable[[str, str], None] = lambda _path, _reason: None,
) -> Iterator[Named]:
    """Read files of images or sounds, some at a time.

    Args:
        paths: of the files; asked for as they are needed.
        read: from a file to an image `(C, H, W)`, all of one shape; it runs in several threads.
        batch_size: images a batch, at most.
        on_broken: called with the path and the reason of each that cannot be read.

    Yields:
        The batches; what cannot be read is left out.

    Examples:
        >>> broken = []
        >>> paths = [Path("nowhere.png")]
        >>> list(file_batches(paths, Path.read_bytes, 4, lambda *told: broken.append(told)))
        []
        >>> broken[0][0]
        'nowhere.png'
    """
    waiting = iter(paths)
    with ThreadPoolExecutor() as pool:
        while some := list(islice(waiting, batch_size)):
            whole: list[tuple[str, Tensor]] = []
            for path, image in zip(some, pool.map(partial(_image, read), some), strict=True):
                if isinstance(image, str):
                    on_broken(str(path), image)
                else:
                    whole.append((str(path), image))
            if whole:
                yield Named([name for name, _ in whole], torch.stack([own for _, own in whole]))


def _image(read: Callable[[Path], Tensor], path: Path) -> Tensor | str:
    try:
        return read(path)
    except (ImprintError, OSError) as error:
        return str(error)


def part_batches(name: str, part: DataPart, batch_size: int) -> Iterator[Named]:
    """Give the images of a data set's part, some at a time.

    Args:
        name: of the part.
        part: its images.
        batch_size: images a batch, at most.

    Yields:
        The batches; an image is named by its path, or by the part and its number.

    Examples:
        >>> from imprint.types import ImageSet
        >>> images = ImageSet(torch.zeros(3, 1, 2, 2).byte(), torch.tensor([0, 1, 1]), ("a", "b"))
        >>> [named.names for named in part_batches("test", DataPart(images), 2)]
        [['test/0', 'test/1'], ['test/2']]
    """
    images = part.images.images
    for start in range(0, len(images), batch_size):
        rows = range(start, min(len(images), start + batch_size))
        names = [part.paths[row] if part.paths else f"{name}/{row}" for row in rows]
        yield Named(names, images[start : start + batch_size])
