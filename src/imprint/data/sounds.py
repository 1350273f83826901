"""Audio files to waveforms: one channel, one sample rate, excerpt by excerpt."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from imprint.data.extra import require
from imprint.errors import DamagedFileError

__all__ = ["AUDIO_SUFFIXES", "SoundHeader", "Waveforms", "read_excerpts", "read_sound_header"]

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff"})

RATES = (1_000, 768_000)
"""Sample rates in Hz that a file may have; others are damage, and would ask for any memory."""

LONGEST = 1_000 * 3600
"""Seconds that a file may have; more is damage."""

BLOCK = 1 << 16
"""Samples read at a time, so that many channels take no more memory than one."""

SHORTFALL = 0.5
"""Seconds that may be missing at the end, since MP3 files without a header only guess."""

Waveforms = npt.NDArray[np.float32]
"""`(K, samples)`, full scale 1."""


class SoundHeader(NamedTuple):
    """What the head of an audio file says.

    Attributes:
        sample_rate: in Hz.
        samples: of one channel.
        channels: their number.
    """

    sample_rate: int
    samples: int
    channels: int

    @property
    def seconds(self) -> float:
        """The length."""
        return self.samples / self.sample_rate


def read_sound_header(path: Path) -> SoundHeader:
    """Read the length, the sample rate and the number of channels, and decode nothing.

    Args:
        path: a file in any format that libsndfile knows.

    Returns:
        The header.

    Raises:
        DamagedFileError: where it cannot be read or holds no sample.
        MissingExtraError: where soundfile is not installed.

    Examples:
        >>> read_sound_header(Path(__file__))
        Traceback (most recent call last):
        imprint.errors.DamagedFileError: ...sounds.py: expected audio, got ... bytes ...
    """
    with _opened(path) as file:
        return _header(path, file)


def read_excerpts(
    path: Path, starts: Sequence[float], *, seconds: float, sample_rate: int
) -> Waveforms:
    """Read excerpts of a file: the mean of its channels, resampled by soxr.

    Memory is that of the excerpts, whatever the file's length and number of channels.

    Args:
        path: a file in any format that libsndfile knows.
        starts: where each excerpt begins, in seconds, ascending.
        seconds: of each; what the file lacks is filled by repeating it.
        sample_rate: to resample to, in Hz.

    Returns:
        `(len(starts), round(seconds * sample_rate))`, float32.

    Raises:
        DamagedFileError: where it cannot be read, ends before its header says, or holds samples
            that are not finite.
        MissingExtraError: where soundfile or soxr is not installed.

    Examples:
        >>> import soundfile, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "quiet.wav"
        ...     soundfile.write(file, np.zeros((44_100, 2)), 44_100)
        ...     read_excerpts(file, [0.0, 0.5], seconds=0.5, sample_rate=16_000).shape
        (2, 8000)
    """
    samples = round(seconds * sample_rate)
    with _opened(path) as file:
        header = _header(path, file)
        mono = [_read_mono(path, file, header, start, seconds) for start in starts]
    excerpts = [_resampled(waveform, header.sample_rate, sample_rate) for waveform in mono]
    if not all(np.isfinite(excerpt).all() for excerpt in excerpts):  # a filter may overshoot
        raise DamagedFileError(f"{path}: expected finite samples, got NaN or infinite ones")
    return np.stack([np.resize(excerpt, samples) for excerpt in excerpts])


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file with libsndfile; an error while it is open names the file."""
    soundfile = require("soundfile")
    name = os.fsencode(path) if os.name == "posix" else str(path)  # it need not be UTF-8
    try:
        if not path.stat().st_size:
            raise DamagedFileError(f"{path}: expected audio, got an empty file")
        with soundfile.SoundFile(name) as file:
            yield file
    except (soundfile.SoundFileError, OSError) as error:
        size = f"{path.stat().st_size} bytes" if path.exists() else "no file"
        text = f"{path}: expected audio, got {size} that cannot be read ({_reason(error)})"
        raise DamagedFileError(text) from error


def _reason(error: Exception) -> str:
    told = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    # libsndfile says so of an MP3 file without a single frame
    return "no known format" if "not a regular file" in told else told.strip().removesuffix(".")


def _header(path: Path, file: Any) -> SoundHeader:
    header = SoundHeader(file.samplerate, file.frames, file.channels)
    low, high = RATES
    if not low <= header.sample_rate <= high:
        expected = f"a sample rate of {low:,} … {high:,} Hz"
        raise DamagedFileError(f"{path}: expected {expected}, got {header.sample_rate}")
    if not 0 < header.seconds <= LONGEST:
        expected = f"at least one sample and at most {LONGEST // 3600:,} hours"
        raise DamagedFileError(f"{path}: expected {expected}, got {header.samples} samples")
    return header


def _read_mono(
    path: Path, file: Any, header: SoundHeader, start: float, seconds: float
) -> npt.NDArray[np.float32]:
    """Read an excerpt, the mean of all channels, block by block."""
    first = min(round(start * header.sample_rate), header.samples - 1)
    wanted = max(1, round(seconds * header.sample_rate))
    there = min(wanted, header.samples - first)
    if file.tell() != first:
        file.seek(first)
    mono = np.empty(there, np.float32)
    share = np.full(header.channels, 1 / header.channels, np.float32)
    got = 0
    while got < there:
        block = file.read(min(BLOCK, there - got), dtype="float32", always_2d=True)
        if not len(block):
            break
        mono[got : got + len(block)] = block @ share
        got += len(block)
    if there - got > SHORTFALL * header.sample_rate or not got:
        expected = f"{header.seconds:.1f} s as its header says"
        end = (first + got) / header.sample_rate
        raise DamagedFileError(f"{path}: expected {expected}, got an end at {end:.1f} s")
    return np.resize(mono[:got], wanted)


def _resampled(
    mono: npt.NDArray[np.float32], sample_rate: int, wanted: int
) -> npt.NDArray[np.float32]:
    resampled: npt.NDArray[np.float32] = require("soxr").resample(mono, sample_rate, wanted)
    return resampled
