import shutil
import struct
import subprocess
import sys

import numpy as np
import pytest

from imprint.data import read_excerpts
from imprint.data.sounds import BLOCK, SoundHeader, read_sound_header
from imprint.errors import DamagedFileError, MissingExtraError

from .conftest import write_tone

soundfile = pytest.importorskip("soundfile")
RATE = 16_000


def tone(seconds, frequency=440.0, rate=RATE):
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def loudest(waveform, rate=RATE):
    """The frequency that a waveform has most of, in Hz."""
    return np.abs(np.fft.rfft(waveform)).argmax() * rate / len(waveform)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "oga", "mp3", "opus", "aiff"])
def test_every_format_gives_the_tone(tmp_path, suffix):
    rate = 48_000 if suffix == "opus" else 44_100
    form = {"oga": {"format": "OGG"}, "opus": {"format": "OGG", "subtype": "OPUS"}}
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, tone(2, rate=rate), rate, **form.get(suffix, {}))
    excerpts = read_excerpts(path, [0.0, 1.0], seconds=1.0, sample_rate=RATE)
    assert excerpts.dtype == np.float32
    assert excerpts.shape == (2, RATE)
    assert [loudest(excerpt) for excerpt in excerpts] == [440, 440]
    assert excerpts.std() == pytest.approx(0.5 / np.sqrt(2), rel=0.06)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize("form", ["a.mp3", "a.opus"])
def test_files_of_another_encoder_are_read(tmp_path, form):
    write_tone(tmp_path / "a.wav", seconds=2)
    command = ["ffmpeg", "-loglevel", "error", "-i", tmp_path / "a.wav", tmp_path / form]
    subprocess.run(command, check=True)
    excerpts = read_excerpts(tmp_path / form, [0.5], seconds=1.0, sample_rate=RATE)
    assert loudest(excerpts[0]) == 440


def test_excerpts_begin_where_they_should(tmp_path):
    parts = [tone(1, frequency) for frequency in (300, 500, 700, 900)]
    for name in ("a.wav", "a.flac", "a.ogg"):
        soundfile.write(tmp_path / name, np.concatenate(parts), RATE)
        excerpts = read_excerpts(tmp_path / name, [0, 2, 3], seconds=1.0, sample_rate=RATE)
        assert [loudest(excerpt) for excerpt in excerpts] == [300, 700, 900]


def test_channels_are_mixed_in_blocks(tmp_path):
    draw = np.random.default_rng(0)
    channels = draw.uniform(-0.4, 0.4, (BLOCK + 777, 3)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", channels, RATE, subtype="FLOAT")
    seconds = len(channels) / RATE
    (mono,) = read_excerpts(tmp_path / "a.wav", [0], seconds=seconds, sample_rate=RATE)
    assert np.abs(mono - channels.mean(1)).max() < 1e-6


def test_eight_bits_of_one_channel(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(1, rate=8_000), 8_000, subtype="PCM_U8")
    assert read_sound_header(tmp_path / "a.wav") == SoundHeader(8_000, 8_000, 1)
    (mono,) = read_excerpts(tmp_path / "a.wav", [0], seconds=1.0, sample_rate=RATE)
    assert loudest(mono) == 440


def test_six_channels_of_192_khz(tmp_path):
    high = np.stack([tone(1, rate=192_000)] * 6, 1)
    soundfile.write(tmp_path / "a.wav", high, 192_000, subtype="PCM_24")
    assert read_sound_header(tmp_path / "a.wav") == SoundHeader(192_000, 192_000, 6)
    (mono,) = read_excerpts(tmp_path / "a.wav", [0], seconds=1.0, sample_rate=RATE)
    assert np.abs(mono - tone(1))[100:-100].max() < 1e-3


def test_what_a_short_file_lacks_is_its_repetition(tmp_path):
    soundfile.write(tmp_path / "a.wav", [0.1, 0.2, 0.3], RATE, subtype="FLOAT")
    (mono,) = read_excerpts(tmp_path / "a.wav", [0], seconds=8 / RATE, sample_rate=RATE)
    assert mono.tolist() == pytest.approx([0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 0.1, 0.2])


def sparse_wav(path, seconds):
    """A file of silence that takes no room on the disk."""
    size = seconds * RATE * 2
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1,
                       RATE, 2 * RATE, 2, 16)  # fmt: skip
    with path.open("wb") as file:
        file.write(head + b"data" + struct.pack("<I", size))
        file.truncate(44 + size)


def test_ten_hours_take_the_memory_of_their_excerpts(tmp_path):
    import tracemalloc

    sparse_wav(tmp_path / "long.wav", 36_000)
    assert read_sound_header(tmp_path / "long.wav").seconds == 36_000
    tracemalloc.start()
    excerpts = read_excerpts(
        tmp_path / "long.wav", [0, 18_000, 35_985], seconds=15, sample_rate=RATE
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert excerpts.shape == (3, 15 * RATE)
    assert peak < 4 * excerpts.nbytes


def damaged(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.wav", b"", "expected audio, got an empty file"),
        ("a.wav", b"no audio", r"expected audio, got 8 bytes that cannot be read \(Format not"),
        (
            "a.mp3",
            b"no audio " * 900,
            r"expected audio, got 8100 bytes that cannot be read \(no known format\)",
        ),
        ("a.ogg", b"OggS" + bytes(99), "expected audio, got 103 bytes that cannot be read"),
    ],
)
def test_what_is_no_audio_is_told_in_one_line(tmp_path, capfd, name, content, said):
    path = damaged(tmp_path / name, content)
    with pytest.raises(DamagedFileError, match=rf"{name}: {said}") as caught:
        read_sound_header(path)
    assert "\n" not in str(caught.value)
    capfd.readouterr()  # libmpg123 writes notes of its own


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(DamagedFileError, match=r"a\.wav: expected audio, got no file"):
        read_sound_header(tmp_path / "a.wav")


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_no_seconds_at_all(tmp_path, suffix):
    soundfile.write(tmp_path / f"a.{suffix}", np.zeros(0), RATE)
    with pytest.raises(DamagedFileError, match=r"at least one sample .* got 0|an empty file"):
        read_sound_header(tmp_path / f"a.{suffix}")


@pytest.mark.parametrize("rate", [500, 2**31 - 1])
def test_an_absurd_sample_rate_asks_for_no_memory(tmp_path, rate):
    whole = bytearray(write_tone(tmp_path / "a.wav").read_bytes())
    whole[24:28] = struct.pack("<I", rate)
    with pytest.raises(DamagedFileError, match=rf"sample rate of 1,000 … 768,000 Hz, got {rate}"):
        read_excerpts(damaged(tmp_path / "b.wav", bytes(whole)), [0], seconds=15, sample_rate=RATE)


def test_a_file_that_breaks_off_is_damage(tmp_path):
    draw = np.random.default_rng(0).uniform(-0.5, 0.5, 3 * RATE)
    for suffix in ("flac", "mp3"):
        soundfile.write(tmp_path / f"a.{suffix}", draw, RATE)
        whole = (tmp_path / f"a.{suffix}").read_bytes()
        path = damaged(tmp_path / f"cut.{suffix}", whole[: len(whole) // 2])
        with pytest.raises(DamagedFileError, match="cut"):
            read_excerpts(path, [0.0, 1.0, 2.0], seconds=1, sample_rate=RATE)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_damage(tmp_path, wrong):
    samples = tone(1)
    samples[777] = wrong
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    with pytest.raises(DamagedFileError, match="expected finite samples, got NaN or infinite"):
        read_excerpts(tmp_path / "a.wav", [0], seconds=1, sample_rate=RATE)


@pytest.mark.parametrize("name", ["звук.wav", "音 楽.wav", "a\nb.wav", "\udcff.wav"])
def test_names_in_any_script(tmp_path, name):
    write_tone(tmp_path / name)
    assert read_sound_header(tmp_path / name).seconds == 1


@pytest.mark.parametrize("package", ["soundfile", "soxr"])
def test_a_missing_package_is_told_by_its_extra(tmp_path, monkeypatch, package):
    path = write_tone(tmp_path / "a.wav", rate=8_000)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{package}: .*pip install 'imprint\[audio\]'"):
        read_excerpts(path, [0], seconds=1, sample_rate=RATE)
