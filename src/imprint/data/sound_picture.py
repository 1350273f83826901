"""One excerpt of a file of audio, as an image."""

from pathlib import Path

import torch
from torch import Tensor

from imprint.data.excerpts import excerpt_starts, usual_seconds
from imprint.data.pixels import to_bytes
from imprint.data.sounds import read_excerpts, read_sound_header
from imprint.data.source import AudioOptions
from imprint.errors import MissingFileError
from imprint.spectrograms import spectrogram_images

__all__ = ["read_sound_picture"]


def read_sound_picture(path: Path, audio: AudioOptions, *, start: float | None = None) -> Tensor:
    """Read an excerpt of a file of audio as an image.

    Args:
        path: of a file in any format that libsndfile knows.
        audio: how audio becomes images; without `seconds` 15, or the file's length where shorter.
        start: where the excerpt begins, in seconds; None takes the middle of the file.

    Returns:
        `(2, H, T)`, uint8, log-mel and chroma; zeros for silence.

    Raises:
        MissingFileError: where there is no such file.
        DamagedFileError: where it is no audio.
        MissingExtraError: where a package of the extra `audio` is not installed.

    Examples:
        >>> read_sound_picture(Path("nowhere.ogg"), AudioOptions())
        Traceback (most recent call last):
        imprint.errors.MissingFileError: audio: expected a file nowhere.ogg, found none
    """
    if not path.is_file():
        raise MissingFileError(f"audio: expected a file {path}, found none")
    length = read_sound_header(path).seconds
    seconds = audio.seconds or usual_seconds([length])
    begin = excerpt_starts(length, seconds, 1)[0] if start is None else start
    waveform = read_excerpts(path, [begin], seconds=seconds, sample_rate=audio.sample_rate)
    images = spectrogram_images(torch.from_numpy(waveform), audio.spectrogram)
    return to_bytes(images, "images")[0]
