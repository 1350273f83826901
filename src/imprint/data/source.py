"""What a source of data is: how it is recognised and how it is read."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from imprint.errors import InvalidValueError
from imprint.shares import check_share
from imprint.spectrograms import SpectrogramSettings
from imprint.types import DataPart, DataSplits

__all__ = ["AudioOptions", "ReadOptions", "Source"]


@dataclass(frozen=True, kw_only=True)
class AudioOptions:
    """How audio becomes images.

    Args:
        seconds: of an excerpt, in 0.05 … 600; None takes 15, or the files' median length
            where that is shorter.
        excerpts: of each file, evenly spread, at least 1; None takes as many as fit.
        sample_rate: that all files are brought to, in Hz, in 4,000 … 192,000.
        mels: bands of the log-mel image, its height in pixels.
        label: the column of a CSV that holds the labels; None takes `label`, `labels`, `class` or
            `genre`.

    Raises:
        InvalidValueError: for a value out of range.

    Examples:
        >>> AudioOptions(mels=96).spectrogram.hop
        512
    """

    seconds: float | None = None
    excerpts: int | None = None
    sample_rate: int = 16_000
    mels: int = 64
    label: str | None = None

    def __post_init__(self) -> None:
        if self.seconds is not None and not 0.05 <= self.seconds <= 600:
            raise InvalidValueError(f"seconds: expected 0.05 … 600, got {self.seconds}")
        if self.excerpts is not None and self.excerpts < 1:
            raise InvalidValueError(f"excerpts: expected at least 1, got {self.excerpts}")
        if not 4_000 <= self.sample_rate <= 192_000:
            expected = "4,000 … 192,000 Hz"
            raise InvalidValueError(f"sample_rate: expected {expected}, got {self.sample_rate}")
        _ = self.spectrogram  # checks the rest

    @property
    def spectrogram(self) -> SpectrogramSettings:
        """How time and frequency are laid out: frames of about an eighth of a second."""
        fft_size = 2 ** round(math.log2(self.sample_rate * 0.128))
        return SpectrogramSettings(
            sample_rate=self.sample_rate, mels=self.mels, fft_size=fft_size, hop=fft_size // 4
        )


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How to read a source.

    Args:
        test_share: share of each class to test on, in (0, 1), where a source has no split itself.
        seed: of that split, at least 0.
        image_size: side of the images in pixels; None keeps them as the source has them.
        audio: how audio becomes images.

    Raises:
        InvalidValueError: for a value out of range.

    Examples:
        >>> ReadOptions().test_share
        0.2
    """

    test_share: float = 0.2
    seed: int = 0
    image_size: int | None = None
    audio: AudioOptions = field(default_factory=AudioOptions)

    def __post_init__(self) -> None:
        check_share("test_share", self.test_share)
        if self.seed < 0:
            raise InvalidValueError(f"seed: expected at least 0, got {self.seed}")
        if self.image_size is not None and self.image_size < 1:
            raise InvalidValueError(f"image_size: expected at least 1 pixel, got {self.image_size}")


@dataclass(frozen=True)
class Source:
    """One kind of place that images come from; `sources.py` lists all of them.

    Args:
        form: what it is, in words that an error message can use.
        accepts: whether an existing path is of this kind.
        read: the path and the options in, the images out.
        survey: the path and the options in, the parts out as they lie there, by name; None where
            `read` gives them so.

    Examples:
        >>> Source("a folder", Path.is_dir, lambda path, options: ...).accepts(Path.cwd())
        True
    """

    form: str
    accepts: Callable[[Path], bool]
    read: Callable[[Path, ReadOptions], DataSplits]
    survey: Callable[[Path, ReadOptions], dict[str, DataPart]] | None = None
