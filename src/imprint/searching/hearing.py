"""What of a sound's image is timbre and what is harmony, as a vector that needs no training."""

import math

import torch
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.searching.usual_sound import DEVIATION, MEAN

__all__ = ["SOUND_DIMENSIONS", "TIMBRE", "sound_features", "sound_vectors"]

COEFFICIENTS = 20
"""Of the cosine transform of a log-mel column: the outline of the spectrum, not its lines."""

PITCH_CLASSES = 12

TIMBRE = 2 * COEFFICIENTS
"""Numbers of a sound's vector that are timbre; those after them are harmony."""

SOUND_DIMENSIONS = TIMBRE + 2 * PITCH_CLASSES

BYTE = 255.0


def sound_features(images: Tensor) -> Tensor:
    """Take mean and deviation over time of each MFCC and of each pitch class.

    Args:
        images: `(N, 2, H, T)`, log-mel and chroma as `spectrogram_images` gives them, in [0, 1], or
            in bytes.

    Returns:
        `(N, 64)`: m_0, s_0, m_1, s_1, … of 20 coefficients, then of 12 pitch classes, C first.

    Raises:
        InvalidValueError: for another shape.

    Source: the MFCC of Davis and Mermelstein (1980), of log-mel in place of its logarithm; their
        means and deviations beside those of chroma are a usual baseline of music similarity.

    Examples:
        >>> sound_features(torch.zeros(3, 2, 64, 10)).shape
        torch.Size([3, 64])
    """
    if images.ndim != 4 or images.shape[1] != 2 or images.shape[2] < PITCH_CLASSES:
        got = f"{tuple(images.shape)}"
        raise InvalidValueError(f"images: expected log-mel and chroma (N, 2, H, T), got {got}")
    scaled = images.float() / (BYTE if images.dtype == torch.uint8 else 1.0)
    mel, chroma = scaled[:, 0], scaled[:, 1]
    height = mel.shape[1]
    first = [-(-height * pitch // PITCH_CLASSES) for pitch in range(PITCH_CLASSES)]  # its first row
    curves = torch.cat((_cosines(height) @ mel, chroma[:, first]), 1)
    return torch.stack((curves.mean(2), curves.std(2, correction=0)), 2).flatten(1)


def sound_vectors(images: Tensor) -> Tensor:
    """Describe sounds so that the cosine tells how similar they are, without any training.

    `sound_features`, each less its usual mean and in units of its usual deviation, which stand in
    `usual_sound.py`.

    Args:
        images: as for `sound_features`.

    Returns:
        `(N, 64)`: timbre in the first 40, harmony in the last 24; zeros for silence.

    Raises:
        InvalidValueError: for another shape.

    Examples:
        >>> sound_vectors(torch.zeros(1, 2, 64, 10)).any()
        tensor(False)
    """
    standard = (sound_features(images) - torch.tensor(MEAN)) / torch.tensor(DEVIATION)
    heard = images.flatten(1).amax(1) > 0
    return torch.where(heard[:, None], standard, 0.0)


def _cosines(bands: int) -> Tensor:
    """The rows of a cosine transform `(20, bands)`, whatever their number of the same size."""
    places = (torch.arange(bands) + 0.5) * math.pi / bands
    return torch.cos(torch.arange(COEFFICIENTS)[:, None] * places) / bands
