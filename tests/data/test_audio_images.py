import numpy as np
import pytest
import torch

from imprint.data import AudioOptions
from imprint.data.audio_files import AudioFile, files_by_class
from imprint.data.audio_images import AT_ONCE, choose_excerpts, draw_images, image_shape
from imprint.data.sounds import read_excerpts
from imprint.errors import DamagedFileError, InvalidValueError
from imprint.spectrograms import spectrogram_images

from .conftest import write_tone

soundfile = pytest.importorskip("soundfile")


def drawn(files, audio, **how):
    """All images, their excerpts and failures."""
    choice = choose_excerpts(files, audio, **how)
    some = list(draw_images(files, choice, audio, **how))
    excerpts = [excerpt for part in some for excerpt in part.excerpts]
    failures = {file: why for part in some for file, why in part.failures.items()}
    return torch.cat([part.images for part in some]), excerpts, choice.failures | failures


def test_images_are_those_of_each_excerpt_to_half_a_step(tone_folder):
    files, audio = files_by_class(tone_folder, tone_folder), AudioOptions(seconds=0.5, mels=48)
    images, excerpts, failures = drawn(files, audio)
    assert images.shape == (32, *image_shape(choose_excerpts(files, audio), audio))
    assert images.dtype == torch.uint8
    assert excerpts == [(file, start) for file in range(8) for start in (0, 0.5, 1, 1.5)]
    assert failures == {}
    for row in (0, 13, 31):
        file, start = excerpts[row]
        waveform = read_excerpts(files[file].path, [start], seconds=0.5, sample_rate=16_000)
        (exact,) = spectrogram_images(torch.from_numpy(waveform), audio.spectrogram)
        assert (images[row] / 255 - exact).abs().max() < 0.501 / 255


def test_eight_bits_move_a_signature_by_less_than_a_thousandth(tone_folder):
    """What networks and signatures see of the rounding: of the mean and deviation of each row."""
    files, audio = files_by_class(tone_folder, tone_folder), AudioOptions(seconds=1)
    images, _, _ = drawn(files, audio)
    waveforms = [read_excerpts(f.path, [0, 1], seconds=1, sample_rate=16_000) for f in files]
    exact = spectrogram_images(torch.from_numpy(np.concatenate(waveforms)))
    for measure in (torch.mean, torch.std):
        moved = measure(images / 255, 3) - measure(exact, 3)
        assert moved.abs().max() < 2.5e-3
        assert moved.abs().mean() < 1e-3


def test_pieces_are_read_ahead_in_order(tmp_path):
    """More pieces than threads, of long and of many short files."""
    names = [f"a/{number:02}.wav" for number in range(40)]
    for number, name in enumerate(names):
        write_tone(tmp_path / name, tone=100 + 60 * number, seconds=0.2, rate=8_000)
    files = files_by_class(tmp_path, tmp_path)
    audio = AudioOptions(seconds=0.2, sample_rate=8_000, mels=32)
    choice = choose_excerpts(files, audio)
    whole, _, _ = drawn(files, audio)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("imprint.data.audio_images.AT_ONCE", 0.5)
        assert AT_ONCE > 0.5
        pieces = list(draw_images(files, choice, audio))
    assert len(pieces) == 20
    assert torch.equal(torch.cat([piece.images for piece in pieces]), whole)
    peaks = whole[:, 0].float().mean(2).argmax(1)
    assert peaks.tolist() == sorted(peaks.tolist())


def test_the_length_is_the_files_own_where_they_are_short(tone_folder):
    files = files_by_class(tone_folder, tone_folder)
    choice = choose_excerpts(files, AudioOptions())
    assert choice.seconds == 2
    assert len(choice.excerpts) == 8
    assert len(choose_excerpts(files, AudioOptions(seconds=0.5, excerpts=3)).excerpts) == 24


def test_broken_files_are_passed_over_only_leniently(tone_folder, capfd):
    (tone_folder / "low" / "0.wav").write_bytes(b"no audio")
    whole = (tone_folder / "high" / "3.flac").read_bytes()
    (tone_folder / "high" / "3.flac").write_bytes(whole[: len(whole) // 2])
    files, audio = files_by_class(tone_folder, tone_folder), AudioOptions(seconds=0.5)
    with pytest.raises(DamagedFileError, match=r"0\.wav: expected audio"):
        choose_excerpts(files, audio)
    images, excerpts, failures = drawn(files, audio, lenient=True)
    assert sorted(failures) == [3, 4]
    assert len(images) == len(excerpts)
    assert {excerpt.file for excerpt in excerpts} >= {0, 1, 2, 5, 6, 7}
    (tone_folder / "low" / "0.wav").unlink()
    files = files_by_class(tone_folder, tone_folder)
    with pytest.raises(DamagedFileError, match=r"3\.flac"):
        list(draw_images(files, choose_excerpts(files, audio), audio))
    capfd.readouterr()


def test_none_that_can_be_read(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"no audio")
    file = AudioFile(tmp_path / "a.wav", "a.wav", "a", "a.wav")
    with pytest.raises(InvalidValueError, match=r"at least one file to read, got none: .*a\.wav"):
        choose_excerpts([file], AudioOptions(), lenient=True)


def test_silence_is_an_image_of_zeros(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(16_000), 16_000)
    file = AudioFile(tmp_path / "a.wav", "a.wav", "a", "a.wav")
    images, _, _ = drawn([file], AudioOptions())
    assert images.shape == (1, 2, 64, 32)
    assert not images.any()


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"seconds": 0.01}, "seconds: expected 0.05 … 600, got 0.01"),
        ({"seconds": 601}, "seconds: expected 0.05 … 600, got 601"),
        ({"excerpts": 0}, "excerpts: expected at least 1, got 0"),
        ({"sample_rate": 100}, "sample_rate: expected 4,000 … 192,000 Hz, got 100"),
        ({"mels": 3}, "mels: expected 12 … 512, got 3"),
    ],
)
def test_options_out_of_range_are_refused(setting, said):
    with pytest.raises(InvalidValueError, match=said):
        AudioOptions(**setting)


@pytest.mark.parametrize(
    ("rate", "fft_size"), [(4_000, 512), (8_000, 1024), (22_050, 2048), (44_100, 4096)]
)
def test_frames_are_as_long_at_any_rate(rate, fft_size):
    settings = AudioOptions(sample_rate=rate).spectrogram
    assert (settings.fft_size, settings.hop) == (fft_size, fft_size // 4)
