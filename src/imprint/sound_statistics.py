"""What images of sound hold, as numbers over time that nothing is learnt for."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.errors import InvalidValueError

__all__ = ["WINDOW", "count_statistics", "cut_windows", "sound_statistics"]

WINDOW = 94
"""Frames of a window of sound: 3 s at the usual hop."""

OVERLAP = 0.2
"""The part of a window that is in the next one as well, to a frame, or more."""

PITCH_CLASSES = 12

COEFFICIENTS = 24
"""Of the cosine transform of a log-mel column: the outline of the spectrum."""

JOINT = 12
"""Coefficients, the first ones, whose covariance over time is taken."""

LAGS = (2, 16)
"""Frames over which an outline's changes are taken: an attack, and half a second."""

QUANTILES = (0.1, 0.9)

RHYTHM_BANDS = 8
RHYTHM_WINDOW = 256
"""Frames of a window of rhythm: 8 s at the usual hop."""

RHYTHM_BINS = 16
"""Of 4 frequencies each, from 0.25 Hz at the usual hop."""

FLOOR = 1e-3
"""Added to a rhythm's strength before its logarithm."""

BYTE = 255.0

TOGETHER = 1 << 24
"""Numbers of images that are taken at a time: torch's quantiles have a limit."""


def cut_windows(images: Tensor, frames: int = WINDOW) -> Tensor:
    """Cut sounds into windows of one length, evenly spread, which hold every frame.

    Args:
        images: `(N, C, H, T)`, any dtype, T at least 1.
        frames: F, of a window, at least 1; a shorter sound is one window of its own length.

    Returns:
        `(N, W, C, H, F)`; neighbours share a fifth of a window, to a frame, or more.

    Raises:
        InvalidValueError: for another shape, or no frames.

    Examples:
        >>> cut_windows(torch.zeros(3, 2, 64, 469)).shape
        torch.Size([3, 6, 2, 64, 94])
    """
    if images.ndim != 4 or not images.shape[3]:
        expected = "images (N, C, H, T), T at least 1"
        raise InvalidValueError(f"images: expected {expected}, got {tuple(images.shape)}")
    length = images.shape[3]
    if frames < 1:
        raise InvalidValueError(f"frames: expected at least 1, got {frames}")
    frames = min(frames, length)
    last = length - frames
    count = 1 + math.ceil(last / (frames * (1 - OVERLAP)))
    begins = torch.linspace(0, last, count).round().long().tolist()
    return torch.stack([images[..., begin : begin + frames] for begin in begins], 1)


def sound_statistics(images: Tensor) -> Tensor:
    """Take the statistics of sounds over time: spectrum, outline, onsets, rhythm and harmony.

    Args:
        images: `(N, 2, H, T)`, log-mel and chroma as `spectrogram_images` gives them, in [0, 1], or
            in bytes; H at least 24.

    Returns:
        `(N, D)`, float32, D as `count_statistics` says. In this order: of 24 cosine coefficients of
        the bands, means and deviations, the deviations of their changes over 2 and over 16 frames,
        and the covariance of the first 12; of each band its mean above the sound's own, deviation
        and 10 % and 90 % quantile; of each band's onsets the mean, deviation and mean cube; of the
        pitch classes means, deviations and mean products; of eight bands' onsets the strength of
        16 rhythms, as its logarithm.

    Raises:
        InvalidValueError: for another shape.

    Source: usual features of music retrieval, as in Pampalk (2006) for rhythm and Mandel and
        Ellis (2005) for covariances of coefficients.

    Examples:
        >>> sound_statistics(torch.zeros(3, 2, 64, 100)).shape
        torch.Size([3, 852])
    """
    fits = images.ndim == 4 and images.shape[1] == 2
    if not fits or images.shape[2] < COEFFICIENTS or not images.shape[3]:
        expected = f"log-mel and chroma (N, 2, H, T), H at least {COEFFICIENTS}, T at least 1"
        raise InvalidValueError(f"images: expected {expected}, got {tuple(images.shape)}")
    if not len(images):
        return torch.zeros(0, count_statistics(images.shape[2]), device=images.device)
    rows = max(1, TOGETHER // images[:1].numel())
    return torch.cat([_statistics(some) for some in torch.split(images, rows)])


def _statistics(images: Tensor) -> Tensor:
    scaled = images.float() / (BYTE if images.dtype == torch.uint8 else 1.0)
    bands = _at_least(scaled[:, 0], 1 + max(LAGS))
    onsets = bands.diff(dim=2)
    parts = (
        _outline(bands),
        _spectrum(bands),
        _strengths(onsets),
        _harmony(scaled[:, 1]),
        _rhythm(onsets.clamp(min=0)),
    )
    return torch.cat(parts, 1)


def count_statistics(bands: int) -> int:
    """Count the statistics of images with so many bands.

    Args:
        bands: H.

    Returns:
        D.

    Examples:
        >>> count_statistics(64)
        852
    """
    outline = (2 + len(LAGS)) * COEFFICIENTS + JOINT * (JOINT + 1) // 2
    harmony = 2 * PITCH_CLASSES + PITCH_CLASSES * (PITCH_CLASSES + 1) // 2
    each = 2 + len(QUANTILES) + 3
    return outline + each * bands + harmony + RHYTHM_BANDS * RHYTHM_BINS


def _at_least(curves: Tensor, frames: int) -> Tensor:
    """Curves with at least so many frames, the last one repeated."""
    return F.pad(curves, (0, max(0, frames - curves.shape[2])), mode="replicate")


def _outline(bands: Tensor) -> Tensor:
    curves = _cosines(bands.shape[1]).to(bands) @ bands
    changes = [_deviation(curves[:, :, lag:] - curves[:, :, :-lag]) for lag in LAGS]
    first = curves[:, :JOINT] - curves[:, :JOINT].mean(2, keepdim=True)
    return torch.cat((curves.mean(2), _deviation(curves), *changes, _products(first)), 1)


def _spectrum(bands: Tensor) -> Tensor:
    level = bands.mean((1, 2))[:, None]
    quantiles = bands.quantile(bands.new_tensor(QUANTILES), dim=2) - level
    return torch.cat((bands.mean(2) - level, _deviation(bands), *quantiles), 1)


def _strengths(onsets: Tensor) -> Tensor:
    rising = onsets.clamp(min=0)
    return torch.cat((rising.mean(2), _deviation(onsets), rising.pow(3).mean(2)), 1)


def _harmony(rows: Tensor) -> Tensor:
    """Of the pitch classes, each of which fills its share of the rows."""
    height = rows.shape[1]
    first = [-(-height * pitch // PITCH_CLASSES) for pitch in range(PITCH_CLASSES)]
    pitches = rows[:, first]
    return torch.cat((pitches.mean(2), _deviation(pitches), _products(pitches)), 1)


def _rhythm(onsets: Tensor) -> Tensor:
    """The spectrum of each band's onsets, windows of 8 s averaged; a short sound is padded."""
    height = onsets.shape[1] // RHYTHM_BANDS * RHYTHM_BANDS
    bands = onsets[:, :height].reshape(len(onsets), RHYTHM_BANDS, -1, onsets.shape[2])
    bands = bands.mean(2)
    bands = bands - bands.mean(2, keepdim=True)
    bands = F.pad(bands, (0, max(0, RHYTHM_WINDOW - bands.shape[2])))
    windows = bands.unfold(2, RHYTHM_WINDOW, RHYTHM_WINDOW // 2)
    strengths = torch.fft.rfft(windows * torch.hann_window(RHYTHM_WINDOW).to(bands)).abs().mean(2)
    used = strengths[:, :, 2 : 2 + 4 * RHYTHM_BINS]
    grouped = used.reshape(len(used), RHYTHM_BANDS, RHYTHM_BINS, 4).mean(3)
    return torch.log(grouped + FLOOR).flatten(1)


def _products(curves: Tensor) -> Tensor:
    """The mean product of each pair of curves, once."""
    products = curves @ curves.transpose(1, 2) / curves.shape[2]
    rows, columns = torch.triu_indices(curves.shape[1], curves.shape[1])
    return products[:, rows, columns]


def _deviation(curves: Tensor) -> Tensor:
    return curves.std(2, correction=0)


def _cosines(bands: int) -> Tensor:
    """The rows of an orthonormal cosine transform `(24, bands)`, but for its first row."""
    places = (torch.arange(bands) + 0.5) * math.pi / bands
    return torch.cos(torch.arange(COEFFICIENTS)[:, None] * places) / math.sqrt(bands)
