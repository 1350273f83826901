"""Images of sound kept on disk: made once for the same files and settings, then mapped."""

import hashlib
import json
import logging
import math
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
from torch import Tensor

from imprint.data.audio_files import AudioFile
from imprint.data.audio_images import (
    Choice,
    Drawn,
    Excerpt,
    choose_excerpts,
    draw_images,
    image_shape,
)
from imprint.data.decoding import MEMORY_BUDGET, allocate
from imprint.data.places import cache_folder
from imprint.data.source import AudioOptions
from imprint.errors import DamagedFileError, InvalidValueError

__all__ = ["SoundImages", "audio_cache", "sound_images"]

logger = logging.getLogger(__name__)

VERSION = 1
"""Of what is kept; raised when images of the same sound change."""

IMAGES, ROWS = "images.bin", "rows.json"

GROWING, LEFT = ".growing-", 24 * 3600
"""What names a folder that is not whole yet; after so many seconds nobody works on it any more."""


class SoundImages(NamedTuple):
    """The images of some files of audio.

    Attributes:
        images: `(N, 2, H, T)`, uint8, in memory or mapped from a file.
        excerpts: what each is of.
        seconds: of an excerpt.
        failures: by the place of a file, why it, or the rest of it, could not be read.
    """

    images: Tensor
    excerpts: list[Excerpt]
    seconds: float
    failures: dict[int, str]


def audio_cache() -> Path | None:
    """Give the folder that images of sound are kept in.

    Returns:
        `audio` in the folder that the environment variable `IMPRINT_CACHE` names, else in the
        user's cache; None, where the variable is set and empty: nothing is kept then.

    Examples:
        >>> folder = audio_cache()
        >>> folder is None or folder.name == "audio"
        True
    """
    return None if os.environ.get("IMPRINT_CACHE") == "" else cache_folder("audio")


def sound_images(
    files: Sequence[AudioFile],
    audio: AudioOptions,
    *,
    lenient: bool = False,
    cache: Path | None = None,
) -> SoundImages:
    """Make the images of files of audio, or map those that were made before.

    Images are kept whole or not at all, under the paths, sizes and times of the files and the
    settings. A folder that cannot be written, or is full, only means that nothing is kept.

    Args:
        files: at least one that can be read.
        audio: how audio becomes images.
        lenient: whether files that cannot be read are listed; otherwise the first is an error.
        cache: the folder to keep images in; None keeps none.

    Returns:
        The images, in the order of the files.

    Raises:
        ImprintError: for a file that cannot be read, unless lenient; where none can be.
        MissingExtraError: where a package of the extra `audio` is not installed.
        StorageError: where nothing is kept and the images fit neither the memory nor the temporary
            folder.

    Examples:
        >>> sound_images([], AudioOptions())
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: audio: expected at least one file ..., got none
    """
    place = None if cache is None else cache / _digest(files, audio)
    kept = None if place is None else _kept(place)
    if kept is not None:
        if kept.failures and not lenient:
            raise DamagedFileError(next(iter(kept.failures.values())))
        return kept
    choice = choose_excerpts(files, audio, lenient=lenient)
    shape = (len(choice.excerpts), *image_shape(choice, audio))
    if place is not None and _has_room(place.parent, math.prod(shape)):
        try:
            return _keep(place, draw_images(files, choice, audio, lenient=lenient), choice, shape)
        except OSError as error:
            logger.info("%s: cannot keep images of sound here, %s", place, error.strerror)
    return _in_memory(draw_images(files, choice, audio, lenient=lenient), choice, shape)


def _digest(files: Sequence[AudioFile], audio: AudioOptions) -> str:
    """Name what the images depend on; labels are no part of it."""
    settings = asdict(replace(audio, label=None))
    known = [VERSION, settings, [_state(file) for file in files]]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:32]


def _state(file: AudioFile) -> tuple[str, int, int]:
    """A file's path, size and time; one that may not be read now may be later."""
    path = os.fsencode(file.path.absolute()).hex()
    try:
        if file.refused is None and os.access(file.path, os.R_OK):
            state = file.path.stat()
            return path, state.st_size, state.st_mtime_ns
    except OSError:  # it went just now
        pass
    return path, -1, -1


def _has_room(folder: Path, size: int) -> bool:
    """Whether a folder can be written and has room for images."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return shutil.disk_usage(folder).free > size
    except OSError:
        return False


def _keep(
    place: Path, drawn: Iterable[Drawn], choice: Choice, shape: tuple[int, ...]
) -> SoundImages:
    """Write images as they come into a folder that gets its name once it is whole."""
    _sweep(place.parent)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=GROWING) as scratch:
        growing = Path(scratch) / place.name
        growing.mkdir()
        with (growing / IMAGES).open("wb") as file:
            excerpts, failures = _written(file, drawn)
            file.flush()
            os.fsync(file.fileno())
        rows = {
            "shape": [len(excerpts), *shape[1:]],
            "excerpts": excerpts,
            "seconds": choice.seconds,
            "failures": list((choice.failures | failures).items()),
        }
        (growing / ROWS).write_text(json.dumps(rows))
        found = _kept(growing)  # what is mapped stays mapped under its new name
        if _kept(place) is None:  # else another process was quicker; its copy is as good
            shutil.rmtree(place, ignore_errors=True)  # what is not whole is of no use
            with suppress(OSError):  # quicker just now
                growing.replace(place)
    assert found is not None  # noqa: S101 - it was written just now
    return found


def _sweep(folder: Path) -> None:
    """Remove what processes left behind that were killed a day ago or longer."""
    for left in folder.glob(f"{GROWING}*"):
        with suppress(OSError):  # gone just now, or another user's
            if time.time() - left.stat().st_mtime > LEFT:
                shutil.rmtree(left)


def _written(file: BinaryIO, drawn: Iterable[Drawn]) -> tuple[list[Excerpt], dict[int, str]]:
    excerpts: list[Excerpt] = []
    failures: dict[int, str] = {}
    for some in drawn:
        file.write(some.images.numpy().tobytes())
        excerpts += some.excerpts
        failures |= some.failures
    _check_any(excerpts, failures)
    return excerpts, failures


def _check_any(excerpts: list[Excerpt], failures: dict[int, str]) -> None:
    if not excerpts:
        why = next(iter(failures.values()))
        raise InvalidValueError(f"audio: expected at least one file to read, got none: {why}")


def _kept(place: Path) -> SoundImages | None:
    """Map images that were kept; None where there are none, or none that are whole."""
    try:
        rows = json.loads((place / ROWS).read_text())
        shape = tuple(rows["shape"])
        excerpts = [Excerpt(int(file), float(start)) for file, start in rows["excerpts"]]
        failures = {int(file): str(why) for file, why in rows["failures"]}
        if (place / IMAGES).stat().st_size != math.prod(shape) or len(excerpts) != shape[0]:
            return None
        # copy on write: what is kept stays as it is, and torch takes no array that is read-only
        mapped = np.memmap(place / IMAGES, np.uint8, "c", shape=shape)
        return SoundImages(torch.from_numpy(mapped), excerpts, float(rows["seconds"]), failures)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _in_memory(drawn: Iterable[Drawn], choice: Choice, shape: tuple[int, ...]) -> SoundImages:
    images = allocate(shape, spill=math.prod(shape) > MEMORY_BUDGET)
    excerpts: list[Excerpt] = []
    failures = dict(choice.failures)
    for some in drawn:
        images[len(excerpts) : len(excerpts) + len(some.images)] = some.images
        excerpts += some.excerpts
        failures |= some.failures
    _check_any(excerpts, failures)
    return SoundImages(images[: len(excerpts)], excerpts, choice.seconds, failures)
