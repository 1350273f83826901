"""Encoded images (PNG, JPEG, …) to one tensor: look at all, choose a shape, decode."""

import logging
import math
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from imprint.data.pixels import image_pixels, opened, read_header
from imprint.errors import DamagedFileError, InvalidValueError, StorageError

__all__ = [
    "MEMORY_BUDGET",
    "Decoded",
    "Encoded",
    "Shape",
    "allocate",
    "choose_shape",
    "decode",
    "decode_all",
    "decode_readable",
    "survey",
]

logger = logging.getLogger(__name__)

MEMORY_BUDGET = 2 * 2**30
"""Bytes that decoded images may take in memory; beyond it they lie in a temporary file."""

LARGEST_SIDE = 224
"""Pixels of the longer side, where images differ in size and none is asked for."""

SMALL = 64 * 64
"""Pixels below which an image decodes faster than a thread can be handed it: CIFAR-10 in one
thread takes 3.5 s, in two 4.7 s, since Pillow holds the interpreter's lock most of that time."""

Shape = tuple[int, int, int]
"""Channels, height, width."""


class Encoded(NamedTuple):
    """An image as it is stored.

    Attributes:
        name: what an error calls it.
        data: its file, or its bytes.
    """

    name: str
    data: Path | bytes


Stream = Callable[[], Iterator[Sequence[Encoded]]]
"""Gives the images of one split, some at a time; called anew for each pass."""


class Survey(NamedTuple):
    """What the headers of some images say.

    Attributes:
        sizes: `(N, 2)`, height and width in pixels.
        modes: Pillow's mode of each.
        grey: whether all have one channel.
    """

    sizes: npt.NDArray[np.int64]
    modes: tuple[str, ...]
    grey: bool


class Decoded(NamedTuple):
    """What could be decoded of a split.

    Attributes:
        images: `(M, C, H, W)`, uint8, those that could, in their order.
        failures: by position among the N images of the split, why one could not.
        forms: how many images have each height, width (in pixels) and mode.
    """

    images: Tensor
    failures: dict[int, str]
    forms: dict[tuple[int, int, str], int]


def survey(images: Iterable[Encoded], *, lenient: bool = False) -> Survey:
    """Read the headers of images.

    Args:
        images: any number.
        lenient: whether to pass over an image that cannot be read.

    Returns:
        their sizes and modes, and whether all are grey.

    Raises:
        DamagedFileError: for the first image that cannot be read, unless lenient.

    Examples:
        >>> survey([]).sizes.shape
        (0, 2)
    """
    headers = []
    for name, data in images:
        try:
            headers.append(read_header(data, name))
        except DamagedFileError:
            if not lenient:
                raise
    sizes = np.array([header[:2] for header in headers], np.int64).reshape(-1, 2)
    grey = all(header.is_grey for header in headers)
    return Survey(sizes, tuple(sys.intern(header.mode) for header in headers), grey)


def choose_shape(surveyed: Survey, *, image_size: int | None = None) -> Shape:
    """Choose the one shape that all images of a set get.

    Args:
        surveyed: of the whole set.
        image_size: the side asked for, in pixels.

    Returns:
        channels (1 where all images are grey), height and width: the side asked for; else the
        images' own where they agree; else the median height and width, shrunk until the longer is
        at most 224.

    Examples:
        >>> choose_shape(Survey(np.array([[480, 640], [480, 640], [48, 64]]), ("RGB",) * 3, False))
        (3, 168, 224)
    """
    channels = 1 if surveyed.grey else 3
    if image_size is not None:
        return channels, image_size, image_size
    first = surveyed.sizes[0]
    if (surveyed.sizes == first).all():
        return channels, int(first[0]), int(first[1])
    median = np.median(surveyed.sizes, axis=0)
    height, width = np.maximum(1, np.round(median * min(1, LARGEST_SIDE / median.max())))
    logger.info("the images differ in size: resizing all to %d x %d", height, width)
    return channels, int(height), int(width)


def decode(image: Encoded, shape: Shape) -> npt.NDArray[np.uint8]:
    """Decode one image to a shape.

    Args:
        image: as stored.
        shape: channels, height and width to give.

    Returns:
        of that shape, uint8.

    Raises:
        DamagedFileError: where it cannot be read.
        InvalidValueError: for other channels than 1 or 3, which no image has.

    Examples:
        >>> decode(Encoded("row 0", b""), (3, 32, 32))
        Traceback (most recent call last):
        imprint.errors.DamagedFileError: row 0: expected an image, got 0 bytes of no known format
    """
    channels, height, width = shape
    if channels not in (1, 3):
        expected = f"expected {channels} channels, as of sound, which no image file has"
        raise InvalidValueError(f"{image.name}: {expected}; give sound as data")
    with opened(image.data, image.name) as picture:
        picture.draft(None, (width, height))  # a large JPEG is decoded at a fraction of its size
        return image_pixels(picture, channels=channels, size=(height, width))


def decode_all(streams: Sequence[Stream], *, image_size: int | None = None) -> list[Tensor]:
    """Decode the splits of a set to one common shape.

    Args:
        streams: one a split, each with at least one image.
        image_size: side of the images in pixels; None: see `choose_shape`.

    Returns:
        one tensor a split, `(N, C, H, W)`, uint8. Where all together exceed `MEMORY_BUDGET`, they
        lie in a temporary file that vanishes with them.

    Raises:
        DamagedFileError: for the first image that cannot be read.
        StorageError: where they fit neither the memory nor the temporary folder.

    Examples:
        >>> decode_all([])
        []
    """
    return [decoded.images for decoded in _decode_streams(streams, image_size, lenient=False)]


def decode_readable(streams: Sequence[Stream], *, image_size: int | None = None) -> list[Decoded]:
    """Decode what can be read of the splits of a set, to one common shape.

    Args:
        streams: one a split.
        image_size: side of the images in pixels; None: see `choose_shape`.

    Returns:
        one record a split, with the images, what could not be read, and sizes and modes.

    Raises:
        StorageError: where they fit neither the memory nor the temporary folder.
        InvalidValueError: where no image at all can be read.

    Examples:
        >>> decode_readable([])
        []
    """
    return _decode_streams(streams, image_size, lenient=True)


def _decode_streams(
    streams: Sequence[Stream], image_size: int | None, *, lenient: bool
) -> list[Decoded]:
    surveys = [
        survey((image for images in stream() for image in images), lenient=lenient)
        for stream in streams
    ]
    if not surveys:
        return []
    sizes = np.concatenate([s.sizes for s in surveys])
    if not len(sizes):
        raise InvalidValueError("images: expected at least one that can be read, got none")
    joined = Survey(sizes, (), all(s.grey for s in surveys))
    shape = choose_shape(joined, image_size=image_size)
    spill = len(sizes) * math.prod(shape) > MEMORY_BUDGET
    threads = os.cpu_count() if np.median(sizes.prod(axis=1)) > SMALL else None
    decoded = []
    for stream, seen in zip(streams, surveys, strict=True):
        tensor = allocate((len(seen.sizes), *shape), spill=spill)
        count, failures = _decode_into(
            tensor.numpy(), stream, shape, threads=threads, lenient=lenient
        )
        forms = Counter(zip(*seen.sizes.T.tolist(), seen.modes, strict=True))
        decoded.append(Decoded(tensor[:count], failures, dict(forms)))
    return decoded


def _decode_into(
    rows: npt.NDArray[np.uint8],
    stream: Stream,
    shape: Shape,
    *,
    threads: int | None,
    lenient: bool,
) -> tuple[int, dict[int, str]]:
    """Decode a stream into rows, one after the other; how many, and what failed by position."""

    def attempt(image: Encoded) -> npt.NDArray[np.uint8] | str:
        try:
            return decode(image, shape)
        except DamagedFileError as error:
            if not lenient:
                raise
            return str(error)

    failures: dict[int, str] = {}
    count = 0
    with ThreadPoolExecutor(threads or 1) as pool:
        run = pool.map if threads else map
        for array in chain.from_iterable(run(attempt, images) for images in stream()):
            if isinstance(array, str):
                failures[count + len(failures)] = array
            else:
                rows[count] = array
                count += 1
    return count, failures


def allocate(shape: tuple[int, ...], *, spill: bool) -> Tensor:
    """Give room for images.

    Args:
        shape: of all of them.
        spill: whether it is to lie in a temporary file that is gone once nobody maps it.

    Returns:
        a tensor of that shape, uint8, with any content.

    Raises:
        StorageError: where the temporary folder has no room for it.

    Examples:
        >>> allocate((2, 1, 8, 8), spill=True).shape
        torch.Size([2, 1, 8, 8])
    """
    size = math.prod(shape)
    if not spill:
        return torch.empty(shape, dtype=torch.uint8)
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if size > free:
        raise StorageError(
            f"images: expected {size / 2**30:.1f} GiB free in {tempfile.gettempdir()} for the "
            f"decoded images, got {free / 2**30:.1f}; pass a smaller image_size, or set TMPDIR"
        )
    logger.info("the decoded images take %.1f GiB: they lie in a temporary file", size / 2**30)
    with tempfile.TemporaryFile() as file:
        file.truncate(size)
        # numpy keeps a mapping of its own, which outlives the file's handle and its name
        return torch.from_numpy(np.memmap(file, np.uint8, "r+", shape=shape))
