"""One excerpt of a file of audio is the image that a survey of its folder gives."""

import numpy as np
import pytest
import torch

from imprint.data import AudioOptions, is_audio, read_sound_picture, survey
from imprint.errors import DamagedFileError

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("librosa")

RATE = 22_050


@pytest.fixture
def track(tmp_path):
    draw = np.random.default_rng(0).standard_normal(3 * RATE)
    time = np.arange(3 * RATE) / RATE
    wave = 0.3 * np.sin(2 * np.pi * (200 + 100 * time) * time) + 0.02 * draw
    soundfile.write(tmp_path / "track.wav", wave, RATE)
    return tmp_path / "track.wav"


def test_an_excerpt_is_the_surveys(track):
    audio = AudioOptions(seconds=1.0)
    images = survey(track.parent, audio=audio)["all"].images.images
    assert len(images) == 3
    for number in range(3):
        own = read_sound_picture(track, audio, start=float(number))
        assert (own.int() - images[number].int()).abs().max() <= 1
    assert torch.equal(read_sound_picture(track, audio), read_sound_picture(track, audio, start=1))


def test_without_a_length_a_short_file_is_taken_whole(track):
    assert read_sound_picture(track, AudioOptions()).shape == (2, 64, 94)
    assert read_sound_picture(track, AudioOptions(seconds=15)).shape == (2, 64, 469)


def test_what_is_audio_is_told_from_what_is_not(track, tmp_path):
    (tmp_path / "note.txt").write_text("x")
    (tmp_path / "broken.ogg").write_bytes(b"x")
    assert is_audio(track)
    assert is_audio(tmp_path)
    assert not is_audio(tmp_path / "note.txt")
    with pytest.raises(DamagedFileError, match="expected audio, got 1 bytes"):
        read_sound_picture(tmp_path / "broken.ogg", AudioOptions())
