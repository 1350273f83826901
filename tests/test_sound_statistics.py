import math

import numpy as np
import pytest
import scipy.fft
import torch
from hypothesis import given
from hypothesis import strategies as st

from imprint.errors import InvalidValueError
from imprint.sound_statistics import count_statistics, cut_windows, sound_statistics
from imprint.spectrograms import spectrogram_images


def sounds(number=3, frames=120, seed=0):
    return torch.rand(number, 2, 64, frames, generator=torch.Generator().manual_seed(seed))


def test_they_are_as_many_as_counted_for_any_size():
    for bands, frames in ((24, 5), (64, 100), (96, 700)):
        images = torch.rand(2, 2, bands, frames)
        assert sound_statistics(images).shape == (2, count_statistics(bands))


@given(length=st.integers(1, 300), frames=st.integers(1, 40))
def test_windows_hold_every_frame_and_overlap(length, frames):
    images = torch.arange(length).expand(1, 1, 1, length)
    windows = cut_windows(images, frames)[0, :, 0, 0]
    assert windows.shape[1] == min(frames, length)
    assert windows.unique().tolist() == list(range(length))
    steps = windows[:, 0].diff()
    assert (windows == windows[:, :1] + torch.arange(windows.shape[1])).all()
    if len(steps):
        assert steps.max() - steps.min() <= 1  # as even as whole frames can be
        assert steps.max() <= math.ceil(0.8 * frames)
        assert len(steps) - 1 < (length - frames) / (0.8 * frames)  # no more than that takes


def test_outline_and_spectrum_agree_with_numpy_and_scipy():
    images = sounds()
    found = sound_statistics(images).double().numpy()
    bands = images[1, 0].double().numpy()
    curves = scipy.fft.dct(bands, axis=0, norm="ortho")[:24]
    curves[0] *= np.sqrt(2)  # the first row of an orthonormal transform is smaller
    curves /= np.sqrt(2)
    assert found[1, :24] == pytest.approx(curves.mean(1), abs=1e-5)
    assert found[1, 24:48] == pytest.approx(curves.std(1), abs=1e-5)
    assert found[1, 72:96] == pytest.approx((curves[:, 16:] - curves[:, :-16]).std(1), abs=1e-5)
    first = np.cov(curves[:12], bias=True)[np.triu_indices(12)]
    assert found[1, 96:174] == pytest.approx(first, abs=1e-5)
    spectrum = found[1, 174:]
    assert spectrum[:64] == pytest.approx(bands.mean(1) - bands.mean(), abs=1e-5)
    assert spectrum[128:192] == pytest.approx(np.quantile(bands, 0.1, 1) - bands.mean(), abs=1e-5)


def test_a_sound_alone_is_as_in_a_batch_and_bytes_are_as_floats(monkeypatch):
    images = (sounds() * 255).round()
    together = sound_statistics(images / 255)
    assert torch.allclose(sound_statistics(images[1:2] / 255), together[1:2], atol=1e-5)
    assert torch.allclose(sound_statistics(images.byte()), together, atol=1e-5)
    monkeypatch.setattr("imprint.sound_statistics.TOGETHER", 1)
    assert torch.allclose(sound_statistics(images / 255), together, atol=1e-5)


def test_a_beat_shows_in_its_rhythm():
    time = torch.arange(16_000 * 15) / 16_000
    noise = torch.randn(len(time), generator=torch.Generator().manual_seed(0))
    waves = torch.stack([noise * ((time * hertz) % 1 < 0.5) for hertz in (1.0, 2.0, 3.0)])
    rhythm = sound_statistics(spectrogram_images(waves))[:, -128:].view(3, 8, 16).mean(1)
    step = 4 * (16_000 / 512) / 256  # Hz of a number
    for hertz, strengths in zip((1.0, 2.0, 3.0), rhythm, strict=True):
        assert int(strengths.argmax()) == int((hertz / step) - 0.5)


def test_short_sounds_and_silence_are_finite():
    for images in (torch.zeros(1, 2, 64, 1), torch.zeros(0, 2, 64, 9), sounds(1, 3)):
        assert torch.isfinite(sound_statistics(images)).all() or not len(images)


@pytest.mark.parametrize(
    ("shape", "frames"), [((2, 64, 9), 4), ((2, 2, 64, 0), 4), ((1, 1, 1, 9), 0)]
)
def test_what_cannot_be_cut_is_told(shape, frames):
    with pytest.raises(
        InvalidValueError, match=r"images: expected images|frames: expected at least"
    ):
        cut_windows(torch.zeros(shape), frames)


@pytest.mark.parametrize("shape", [(2, 3, 64, 9), (2, 2, 12, 9), (2, 64, 9)])
def test_other_images_are_refused(shape):
    with pytest.raises(InvalidValueError, match="images: expected log-mel and chroma"):
        sound_statistics(torch.zeros(shape))
