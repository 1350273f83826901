"""Waveforms to images of sound: log-mel and chroma, which no change of level moves.

Both are taken relative to the loudest point of the waveform itself, so that a louder or quieter
copy gives the same image. Both end at `highest`, by default below what a copy at 16 kHz or a lossy
codec still carries, so that sample rate and codec leave no mark at the upper edge.
"""

import warnings
from dataclasses import dataclass
from functools import cache
from types import ModuleType

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from imprint.errors import InvalidValueError, MissingExtraError

__all__ = ["SpectrogramSettings", "chroma", "log_mel", "power_spectrum", "spectrogram_images"]

PITCH_CLASSES = 12

SILENCE = 1e-4
"""Peak, of full scale 1, below which a waveform is silent: -80 dB, three steps of 16 bits."""

FADE = 10.0
"""Decibels over which chroma fades in: below it a frame holds the codec's noise, not the music."""


@dataclass(frozen=True, kw_only=True)
class SpectrogramSettings:
    """How a waveform is laid out in time and frequency.

    Args:
        sample_rate: of the waveform, in Hz, at least 1,000.
        mels: bands of the log-mel image, at least 12, one row each.
        fft_size: samples of a frame.
        hop: samples from frame to frame, in `1 … fft_size`.
        lowest: lower edge of the lowest band, in Hz.
        highest: upper edge of the highest band, in Hz; None takes 7,000, or 7/16 of the sample
            rate where that is lower, so that a resampler's edge is never seen.
        depth: decibels below the loudest point at which the image ends.

    Raises:
        InvalidValueError: for a value out of range.

    Examples:
        >>> SpectrogramSettings().top, SpectrogramSettings(sample_rate=8_000).top
        (7000.0, 3500.0)
    """

    sample_rate: int = 16_000
    mels: int = 64
    fft_size: int = 2048
    hop: int = 512
    lowest: float = 30.0
    highest: float | None = None
    depth: float = 80.0

    def __post_init__(self) -> None:
        self._check("sample_rate", self.sample_rate >= 1000, "at least 1,000 Hz")
        self._check("mels", 12 <= self.mels <= 512, "12 … 512")
        self._check("fft_size", 2 <= self.fft_size <= 1 << 16, "2 … 65,536 samples")
        self._check("hop", 1 <= self.hop <= self.fft_size, f"1 … {self.fft_size} samples")
        self._check("lowest", 0 <= self.lowest < self.top, f"0 … {self.top:g} Hz")
        half = self.sample_rate / 2
        self._check("highest", self.top <= half, f"at most {half:g} Hz, half the sample rate")
        self._check("depth", self.depth > FADE, f"more than {FADE:g} dB")

    def _check(self, name: str, holds: bool, expected: str) -> None:  # noqa: FBT001 - the check
        if not holds:
            raise InvalidValueError(f"{name}: expected {expected}, got {getattr(self, name)}")

    @property
    def top(self) -> float:
        """The upper edge in Hz that `highest` stands for."""
        return min(7000.0, self.sample_rate * 7 / 16) if self.highest is None else self.highest


USUAL = SpectrogramSettings()


def spectrogram_images(waveforms: Tensor, settings: SpectrogramSettings = USUAL) -> Tensor:
    """Make an image of each waveform: log-mel as one channel, chroma as the other.

    A waveform whose peak is below 1e-4 of full scale (-80 dB) is silent, and its image zero. For
    any other, each positive multiple that is not silent gives the same image, to 1e-3.

    Args:
        waveforms: `(N, samples)`, floats of full scale 1.
        settings: how time and frequency are laid out.

    Returns:
        `(N, 2, mels, T)`, in [0, 1], `T = 1 + samples // hop`; the lowest frequency, and the pitch
        class C, in row 0. Log-mel is 1 at the loudest point and 0 from `depth` decibels below it;
        each pitch class fills the rows that are its share of the height.

    Raises:
        InvalidValueError: as `power_spectrum`.
        MissingExtraError: where librosa is not installed.

    Examples:
        >>> time = torch.arange(16_000) / 16_000
        >>> spectrogram_images(torch.sin(2 * torch.pi * 440 * time)[None]).shape
        torch.Size([1, 2, 64, 32])
    """
    power = power_spectrum(waveforms, settings)
    mel = _log_mel(power, settings) / settings.depth + 1
    rows = torch.arange(settings.mels, device=power.device) * PITCH_CLASSES // settings.mels
    return torch.stack((mel, _chroma(power, settings).index_select(1, rows)), 1)


def log_mel(waveforms: Tensor, settings: SpectrogramSettings = USUAL) -> Tensor:
    """Take the log-mel spectrogram of each waveform, relative to its loudest point.

    `10 log10(M / max M)`, cut at `-depth`, of `M`, the power in Slaney's mel bands.

    Args:
        waveforms: `(N, samples)`, floats of full scale 1.
        settings: how time and frequency are laid out.

    Returns:
        `(N, mels, T)`, decibels in [-depth, 0]; all `-depth` for silence.

    Raises:
        InvalidValueError: as `power_spectrum`.
        MissingExtraError: where librosa is not installed.

    Source: librosa's `melspectrogram` and `power_to_db(ref=max)`, with which it agrees to 1e-3.

    Examples:
        >>> log_mel(torch.zeros(1, 4096)).unique()
        tensor([-80.])
    """
    return _log_mel(power_spectrum(waveforms, settings), settings)


def chroma(waveforms: Tensor, settings: SpectrogramSettings = USUAL) -> Tensor:
    """Take the share of each pitch class in each frame, relative to the strongest.

    Frames within 10 dB of `depth` below the loudest frame fade to zero, since what they hold is
    noise that differs from copy to copy.

    Args:
        waveforms: `(N, samples)`, floats of full scale 1.
        settings: how time and frequency are laid out; the image's range of frequencies counts.

    Returns:
        `(N, 12, T)`, in [0, 1], C first, tuned to A = 440 Hz; zeros for silence.

    Raises:
        InvalidValueError: as `power_spectrum`.
        MissingExtraError: where librosa is not installed.

    Source: librosa's `chroma_stft(tuning=0)`, with which frames that do not fade agree to 1e-3
        over the whole range of frequencies.

    Examples:
        >>> time = torch.arange(16_000) / 16_000
        >>> chroma(torch.sin(2 * torch.pi * 440 * time)[None]).mean(2).argmax()  # an A
        tensor(9)
    """
    return _chroma(power_spectrum(waveforms, settings), settings)


def power_spectrum(waveforms: Tensor, settings: SpectrogramSettings = USUAL) -> Tensor:
    """Take the power of each frequency in each frame, of waveforms brought to the same peak.

    Args:
        waveforms: `(N, samples)`, floats of full scale 1.
        settings: how time and frequency are laid out.

    Returns:
        `(N, 1 + fft_size // 2, T)`, `T = 1 + samples // hop`: Hann's window, frames centred, zeros
        beyond the ends. Waveforms are scaled to peak 1, silent ones to zero. In float32, or in
        float64 where they are.

    Raises:
        InvalidValueError: for another shape, an integer type, no sample, or a sample that is not
            finite.

    Examples:
        >>> power_spectrum(torch.ones(3, 1024)).shape
        torch.Size([3, 1025, 3])
    """
    if waveforms.ndim != 2 or not waveforms.is_floating_point() or not waveforms.shape[1]:
        got = f"{tuple(waveforms.shape)} of {waveforms.dtype}"
        raise InvalidValueError(f"waveforms: expected (N, samples) of floats, got {got}")
    waveforms = waveforms if waveforms.dtype == torch.float64 else waveforms.float()
    if not len(waveforms):  # of which some transforms will not do
        frames = 1 + waveforms.shape[1] // settings.hop
        return waveforms.new_zeros(0, 1 + settings.fft_size // 2, frames)
    spectrum = torch.stft(
        _levelled(waveforms),
        settings.fft_size,
        settings.hop,
        window=torch.hann_window(settings.fft_size).to(waveforms),
        pad_mode="constant",
        return_complex=True,
    )
    return spectrum.real.square().add_(spectrum.imag.square())


def _levelled(waveforms: Tensor) -> Tensor:
    """Scale each waveform to peak 1; what is silent becomes zero."""
    peak = waveforms.abs().amax(1, keepdim=True)
    if not bool(peak.isfinite().all()):
        raise InvalidValueError("waveforms: expected finite samples, got NaN or infinite ones")
    return torch.where(peak < SILENCE, 0.0, waveforms / peak.clamp(min=SILENCE))


def _log_mel(power: Tensor, settings: SpectrogramSettings) -> Tensor:
    bands = _weighed(_mel_bank(settings), power)
    return _decibels(bands, bands.amax((1, 2), keepdim=True)).clamp_(min=-settings.depth)


def _chroma(power: Tensor, settings: SpectrogramSettings) -> Tensor:
    classes = _weighed(_chroma_bank(settings), power)
    strongest = classes.amax(1, keepdim=True)
    level = _decibels(strongest, strongest.amax(2, keepdim=True))
    fade = ((level + settings.depth) / FADE).clamp_(0, 1)
    return classes / strongest.clamp(min=torch.finfo(power.dtype).tiny) * fade


def _weighed(bank: Tensor, power: Tensor) -> Tensor:
    """Sums of power by a filter bank's rows, in all their digits also within autocast."""
    with torch.autocast(power.device.type, enabled=False):
        return bank.to(power) @ power[:, : bank.shape[1]]


def _decibels(power: Tensor, reference: Tensor) -> Tensor:
    tiny = torch.finfo(power.dtype).tiny
    return (power / reference.clamp(min=tiny)).clamp_(min=tiny).log10_().mul_(10)


@cache
def _mel_bank(settings: SpectrogramSettings) -> Tensor:
    """Slaney's mel bands `(mels, bins)`, float64, up to the last bin that counts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of empty bands, which is told below
        bank = _filters().mel(
            sr=settings.sample_rate,
            n_fft=settings.fft_size,
            n_mels=settings.mels,
            fmin=settings.lowest,
            fmax=settings.top,
            dtype=float,
        )
    empty = int((bank.max(1) == 0).sum())
    if empty:
        expected = f"bands that frames of {settings.fft_size} samples can tell apart"
        raise InvalidValueError(f"mels: expected {expected}, got {settings.mels}, {empty} empty")
    return _kept(bank, settings)


@cache
def _chroma_bank(settings: SpectrogramSettings) -> Tensor:
    """Weights of the pitch classes `(12, bins)`, float64, zero outside of the image's range."""
    bank = _filters().chroma(
        sr=settings.sample_rate, n_fft=settings.fft_size, tuning=0.0, dtype=float
    )
    frequencies = np.arange(bank.shape[1]) * settings.sample_rate / settings.fft_size
    return _kept(np.where(frequencies < settings.lowest, 0, bank), settings)


def _kept(bank: npt.NDArray[np.float64], settings: SpectrogramSettings) -> Tensor:
    """A bank up to the image's highest frequency, to be kept: never a tensor of inference mode."""
    bins = int(settings.top * settings.fft_size / settings.sample_rate) + 1
    with torch.inference_mode(mode=False):
        return torch.from_numpy(bank)[:, :bins].contiguous()


def _filters() -> ModuleType:
    try:
        import librosa.filters
    except ImportError as error:
        text = "librosa: expected it to be installed for sound; pip install 'imprint[audio]'"
        raise MissingExtraError(text) from error
    return librosa.filters
