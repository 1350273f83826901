"""Many files of audio to images: decoded in threads, transformed in batches, in order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from imprint.data.audio_files import AudioFile
from imprint.data.excerpts import excerpt_starts, usual_seconds
from imprint.data.extra import require
from imprint.data.pixels import to_bytes
from imprint.data.sounds import SoundHeader, Waveforms, read_excerpts, read_sound_header
from imprint.data.source import AudioOptions
from imprint.errors import ImprintError, InvalidValueError
from imprint.spectrograms import spectrogram_images

__all__ = ["Choice", "Drawn", "Excerpt", "choose_excerpts", "draw_images", "image_shape"]

AT_ONCE = 120.0
"""Seconds of audio that a thread reads at a time: a long file does not keep the others waiting, and
a transform of many short ones is not called for each."""

THREADS = min(8, os.cpu_count() or 1)
"""That decode: more would read faster than images are made, and hold more in memory."""

SHORTEST = 0.05
"""Seconds of an excerpt at least, whatever the files' median."""

T = TypeVar("T")
R = TypeVar("R")


class Excerpt(NamedTuple):
    """Where an excerpt lies.

    Attributes:
        file: the place of its file among all.
        start: where it begins, in seconds.
    """

    file: int
    start: float


class Choice(NamedTuple):
    """Which excerpts are to be read.

    Attributes:
        excerpts: by file, then by time.
        seconds: of each.
        failures: by the place of a file, why it is not to be read.
    """

    excerpts: list[Excerpt]
    seconds: float
    failures: dict[int, str]


class Drawn(NamedTuple):
    """Some images, as they come.

    Attributes:
        excerpts: K of them.
        images: `(K, 2, H, T)`, uint8.
        failures: by the place of a file, why the rest of it could not be read.
    """

    excerpts: list[Excerpt]
    images: Tensor
    failures: dict[int, str]


def choose_excerpts(
    files: Sequence[AudioFile], audio: AudioOptions, *, lenient: bool = False
) -> Choice:
    """Choose the excerpts by the headers of all files.

    Args:
        files: any number.
        audio: how long and how many.
        lenient: whether a file that cannot be read is passed over.

    Returns:
        Them.

    Raises:
        ImprintError: for the first file that cannot be read, unless lenient; where none can be.

    Examples:
        >>> choose_excerpts([], AudioOptions())
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: audio: expected at least one file ..., got none
    """
    for package in ("soundfile", "soxr", "librosa"):
        require(package)
    with ThreadPoolExecutor(THREADS) as pool:
        headers = list(_ahead(pool, _header_or_error, files))
    wrong = {place: error for place, error in enumerate(headers) if isinstance(error, ImprintError)}
    if wrong and not lenient:
        raise next(iter(wrong.values()))
    good = {p: header for p, header in enumerate(headers) if isinstance(header, SoundHeader)}
    if not good:
        why = f": {next(iter(wrong.values()))}" if wrong else ""
        raise InvalidValueError(f"audio: expected at least one file to read, got none{why}")
    usual = usual_seconds(header.seconds for header in good.values())
    seconds = audio.seconds or max(SHORTEST, usual)
    excerpts = [
        Excerpt(place, start)
        for place, header in good.items()
        for start in excerpt_starts(header.seconds, seconds, audio.excerpts)
    ]
    return Choice(excerpts, seconds, {place: str(error) for place, error in wrong.items()})


def draw_images(
    files: Sequence[AudioFile], choice: Choice, audio: AudioOptions, *, lenient: bool = False
) -> Iterator[Drawn]:
    """Make the images of a choice's excerpts.

    Args:
        files: all of them.
        choice: of these files.
        audio: how audio becomes images.
        lenient: whether a file that breaks off is given as such; what was read before it stays.

    Yields:
        Images in the choice's order, about two minutes of sound at a time.

    Raises:
        DamagedFileError: for the first file that breaks off, unless lenient.

    Examples:
        >>> list(draw_images([], Choice([], 15.0, {}), AudioOptions()))
        []
    """

    def read(piece: list[Excerpt]) -> tuple[list[Excerpt], Waveforms, dict[int, str]]:
        return _read(piece, files, choice.seconds, audio.sample_rate, lenient=lenient)

    size = max(1, int(AT_ONCE / choice.seconds))
    pieces = (choice.excerpts[k : k + size] for k in range(0, len(choice.excerpts), size))
    with ThreadPoolExecutor(THREADS) as pool:
        for excerpts, waveforms, failures in _ahead(pool, read, pieces):
            with _one_thread():
                images = spectrogram_images(torch.from_numpy(waveforms), audio.spectrogram)
            yield Drawn(excerpts, to_bytes(images, "images"), failures)


def image_shape(choice: Choice, audio: AudioOptions) -> tuple[int, int, int]:
    """Tell the shape of each image.

    Args:
        choice: whose excerpts have one length.
        audio: how audio becomes images.

    Returns:
        channels, height and width.

    Examples:
        >>> image_shape(Choice([], 15.0, {}), AudioOptions())
        (2, 64, 469)
    """
    samples = round(choice.seconds * audio.sample_rate)
    return 2, audio.mels, 1 + samples // audio.spectrogram.hop


def _header_or_error(file: AudioFile) -> SoundHeader | ImprintError:
    if file.refused is not None:
        return file.refused
    try:
        return read_sound_header(file.path)
    except ImprintError as error:
        return error


def _read(
    piece: list[Excerpt],
    files: Sequence[AudioFile],
    seconds: float,
    sample_rate: int,
    *,
    lenient: bool,
) -> tuple[list[Excerpt], Waveforms, dict[int, str]]:
    """Read excerpts of some files: those that could be, and why the others could not."""
    kept: list[Excerpt] = []
    waveforms = [np.zeros((0, round(seconds * sample_rate)), np.float32)]
    failures = {}
    for place in dict.fromkeys(excerpt.file for excerpt in piece):
        own = [excerpt for excerpt in piece if excerpt.file == place]
        starts = [excerpt.start for excerpt in own]
        try:
            path = files[place].path
            waveforms.append(read_excerpts(path, starts, seconds=seconds, sample_rate=sample_rate))
            kept += own
        except ImprintError as error:
            if not lenient:
                raise
            failures[place] = str(error)
    return kept, np.concatenate(waveforms), failures


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch use one thread while the block runs.

    The threads that decode keep all cores busy; those of a transform would wait for one another.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _ahead(pool: ThreadPoolExecutor, work: Callable[[T], R], jobs: Iterable[T]) -> Iterator[R]:
    """Do jobs in threads, a few ahead of whoever takes the results, which come in order."""
    pending: deque[Future[R]] = deque()
    for job in jobs:
        pending.append(pool.submit(work, job))
        if len(pending) > 2 * THREADS:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()
