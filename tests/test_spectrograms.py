import itertools
import subprocess
import sys
import warnings

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import example, given

from imprint.errors import InvalidValueError, MissingExtraError
from imprint.spectrograms import (
    SpectrogramSettings,
    chroma,
    log_mel,
    power_spectrum,
    spectrogram_images,
)

librosa = pytest.importorskip("librosa")


def tones(rate, seconds=0.7):
    """A rising tone over a chord that fades, and a little noise."""
    time = np.arange(int(rate * seconds)) / rate
    draw = np.random.default_rng(3)
    chord = sum(np.sin(2 * np.pi * tone * time) for tone in (262.0, 330.0, 392.0))
    sweep = np.sin(2 * np.pi * (100 + 0.2 * rate * time) * time)
    return 0.2 * chord * np.exp(-4 * time) + 0.3 * sweep + 0.001 * draw.standard_normal(len(time))


def noise(rate, seconds=0.5):
    return 0.1 * np.random.default_rng(0).standard_normal(int(rate * seconds))


def click(rate):
    waveform = np.zeros(rate // 2)
    waveform[rate // 4] = 0.9
    return waveform + 1e-3 * np.sin(np.arange(len(waveform)) / 9)


SIGNALS = [tones, noise, click]


def whole(rate, **settings):
    """The range of frequencies that librosa takes by default."""
    return SpectrogramSettings(sample_rate=rate, lowest=0.0, highest=rate / 2, **settings)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100])
@pytest.mark.parametrize("signal", SIGNALS)
def test_log_mel_is_librosas(signal, rate):
    waveform = signal(rate)
    for settings in (whole(rate, mels=40), SpectrogramSettings(sample_rate=rate, mels=48, hop=400)):
        power = librosa.feature.melspectrogram(
            y=waveform,
            sr=rate,
            n_mels=settings.mels,
            hop_length=settings.hop,
            fmin=settings.lowest,
            fmax=settings.top,
        )
        oracle = librosa.power_to_db(power, ref=np.max, amin=1e-20, top_db=80)
        exact = log_mel(torch.from_numpy(waveform)[None], settings)[0]
        assert np.abs(exact.numpy() - oracle).max() < 1e-3
        single = log_mel(torch.from_numpy(waveform).float()[None], settings)[0]
        audible = oracle > -60  # further down, librosa's own float32 is off by as much
        assert np.abs(single.numpy() - oracle)[audible].max() < 1e-3


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100])
@pytest.mark.parametrize("signal", SIGNALS)
def test_chroma_is_librosas(signal, rate):
    waveform = signal(rate)
    oracle = librosa.feature.chroma_stft(y=waveform, sr=rate, tuning=0.0)
    exact = chroma(torch.from_numpy(waveform)[None], whole(rate))[0].numpy()
    power = power_spectrum(torch.from_numpy(waveform)[None], whole(rate))[0].sum(0)
    loud = (power > 1e-6 * power.max()).numpy()
    assert loud.any()
    assert np.abs(exact - oracle)[:, loud].max() < 1e-3
    single = chroma(torch.from_numpy(waveform).float()[None], whole(rate))[0].numpy()
    assert np.abs(single - oracle)[:, loud].max() < 1e-3


def test_an_image_has_both_as_channels():
    waveform = torch.from_numpy(tones(16_000))[None]
    image = spectrogram_images(waveform)[0]
    assert image.shape == (2, 64, 1 + waveform.shape[1] // 512)
    assert torch.allclose(image[0], log_mel(waveform)[0] / 80 + 1)
    rows = torch.arange(64) * 12 // 64
    assert torch.equal(image[1], chroma(waveform)[0][rows])
    assert rows.bincount().tolist() == [6, 5, 5] * 4


@given(
    gain=st.floats(-50, 20),
    frequency=st.floats(60, 5_000),
    seed=st.integers(0, 99),
    double=st.booleans(),
)
@example(gain=-60, frequency=440, seed=0, double=False)
def test_level_does_not_matter(gain, frequency, seed, double):
    draw = torch.Generator().manual_seed(seed)
    time = torch.arange(6_000) / 16_000
    waveform = 0.2 * torch.sin(2 * torch.pi * frequency * time) * torch.linspace(1, 0, 6_000)
    waveform += 0.002 * torch.randn(6_000, generator=draw)
    waveform = (waveform.double() if double else waveform)[None]
    image = spectrogram_images(waveform)
    moved = spectrogram_images(waveform * 10 ** (gain / 20))
    assert image.isfinite().all()
    assert 0 <= image.min() <= image.max() <= 1
    assert (image - moved).abs().max() < 1e-3


@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_the_batch_does_not_matter(sizes):
    draw = torch.Generator().manual_seed(1)
    waveforms = torch.randn(sum(sizes), 2_000, generator=draw) * torch.rand(
        sum(sizes), 1, generator=draw
    )
    together = spectrogram_images(waveforms)
    apart = torch.cat([spectrogram_images(part) for part in waveforms.split(sizes)])
    assert torch.allclose(together, apart, atol=1e-5)


@pytest.mark.parametrize("level", [0.0, 9e-5, -9e-5])
@pytest.mark.parametrize("samples", [1, 700, 5_000])
def test_silence_is_zero_beside_sound(level, samples):
    waveforms = torch.full((2, samples), level)
    waveforms[1] = 0.5
    images = spectrogram_images(waveforms)
    assert not images[0].any()
    assert images.isfinite().all()
    assert images[1].any()


def test_a_silent_half_stays_dark():
    waveform = torch.from_numpy(tones(16_000)).float()
    both = torch.cat((waveform, 1e-6 * torch.randn(len(waveform))))[None]
    image = spectrogram_images(both)[0]
    quiet = image[:, :, len(waveform) // 512 + 4 :]
    assert quiet.max() == 0


@pytest.mark.parametrize("rate", [32_000, 44_100, 48_000])
def test_a_copy_at_another_sample_rate_gives_nearly_the_same_image(rate):
    soxr = pytest.importorskip("soxr")
    draw = np.random.default_rng(5)
    original = 0.2 * draw.standard_normal(rate)  # energy up to the highest frequency
    low = soxr.resample(soxr.resample(original, rate, 16_000), 16_000, rate)
    images = [
        spectrogram_images(torch.from_numpy(soxr.resample(y, rate, 16_000))[None])
        for y in (original, low)
    ]
    assert (images[0] - images[1]).abs().mean() < 1e-3
    assert (images[0] - images[1])[0, 0, -1].abs().mean() < 1e-3  # at the upper edge, too


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"sample_rate": 999}, "sample_rate: expected at least 1,000 Hz, got 999"),
        ({"mels": 11}, r"mels: expected 12 … 512, got 11"),
        ({"fft_size": 1}, r"fft_size: expected 2 … 65,536 samples, got 1"),
        ({"hop": 0}, r"hop: expected 1 … 2048 samples, got 0"),
        ({"lowest": 7000.0}, r"lowest: expected 0 … 7000 Hz, got 7000"),
        ({"highest": 8001.0}, "highest: expected at most 8000 Hz, half the sample rate, got 8001"),
        ({"depth": 10.0}, "depth: expected more than 10 dB, got 10"),
    ],
)
def test_settings_out_of_range_are_refused(setting, said):
    with pytest.raises(InvalidValueError, match=said):
        SpectrogramSettings(**setting)


def test_bands_that_the_frames_cannot_tell_apart_are_refused():
    settings = SpectrogramSettings(fft_size=256, hop=128, mels=128)
    with (
        warnings.catch_warnings(),
        pytest.raises(InvalidValueError, match=r"mels: expected bands .* got 128, \d+ empty"),
    ):
        log_mel(torch.ones(1, 999), settings)


@pytest.mark.parametrize(
    "waveforms",
    [torch.ones(9), torch.ones(1, 9).int(), torch.ones(1, 0), torch.tensor([[0.0, torch.nan]])],
)
def test_what_is_no_waveform_is_refused(waveforms):
    with pytest.raises(InvalidValueError, match="waveforms: expected"):
        spectrogram_images(waveforms)


def test_a_missing_librosa_is_told_by_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "librosa", None)
    monkeypatch.setitem(sys.modules, "librosa.filters", None)
    with pytest.raises(MissingExtraError, match=r"librosa: .*pip install 'imprint\[audio\]'"):
        log_mel(torch.ones(1, 999), SpectrogramSettings(mels=13))


def test_importing_the_module_is_light():
    code = "import imprint.spectrograms, sys; print([m for m in ('librosa', 'scipy') "
    code += "if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_pitch_classes_stand_in_their_order():
    time = torch.arange(16_000) / 16_000
    tones = [440 * 2 ** (k / 12) for k in range(-9, 3)]  # from C4
    waveforms = torch.stack([torch.sin(2 * torch.pi * tone * time) for tone in tones])
    strongest = chroma(waveforms).mean(2).argmax(1)
    assert strongest.tolist() == list(range(12))
    rising = log_mel(waveforms).mean(2).argmax(1)
    assert all(low <= high for low, high in itertools.pairwise(rising.tolist()))


def test_an_empty_batch_gives_an_empty_batch():
    assert spectrogram_images(torch.zeros(0, 1600)).shape == (0, 2, 64, 4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_short_floats_are_computed_in_long_ones(dtype):
    waveforms = torch.randn(2, 4000).to(dtype)
    images = spectrogram_images(waveforms)
    assert images.dtype == torch.float32
    assert torch.equal(images, spectrogram_images(waveforms.float()))


def test_autocast_takes_no_digits():
    waveforms = torch.randn(2, 4000)
    expected = spectrogram_images(waveforms)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(spectrogram_images(waveforms), expected)


def test_what_inference_mode_has_made_serves_gradients():
    settings = SpectrogramSettings(mels=47)  # of no other test: banks are kept
    with torch.inference_mode():
        spectrogram_images(torch.randn(1, 4000), settings)
    waveforms = torch.randn(1, 4000, dtype=torch.float64, requires_grad=True)
    torch.autograd.backward(spectrogram_images(waveforms, settings).sum())
    assert waveforms.grad.isfinite().all()
