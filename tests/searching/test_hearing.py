"""Timbre and harmony: what a change of colour, of key or of level does to a sound's vector."""

import numpy as np
import pytest
import scipy.fft
import torch

from imprint.errors import InvalidValueError
from imprint.searching import agreeing_parts, part_similarities, sound_features, sound_vectors
from imprint.searching.classical import ClassicalSigner
from imprint.searching.hearing import SOUND_DIMENSIONS, TIMBRE
from imprint.searching.usual_sound import DEVIATION, MEAN
from imprint.spectrograms import SpectrogramSettings, chroma, log_mel, spectrogram_images

pytest.importorskip("librosa")

from .sounding import BRIGHT, DARK, tone


def images(*waves):
    return spectrogram_images(torch.tensor(np.stack(waves)).float())


def test_features_are_those_of_scipy_and_of_chroma():
    wave = torch.tensor(tone(262, DARK)).float()[None]
    own = sound_features(spectrogram_images(wave))[0].view(-1, 2).double().numpy()
    mel = log_mel(wave)[0].numpy() / 80 + 1
    cosines = scipy.fft.dct(mel.astype(float), type=2, axis=0)[:20] / 2 / len(mel)
    curves = np.concatenate((cosines, chroma(wave)[0].numpy()))
    np.testing.assert_allclose(own[:, 0], curves.mean(1), atol=1e-5)
    np.testing.assert_allclose(own[:, 1], curves.std(1), atol=1e-5)


@pytest.mark.parametrize("mels", [12, 40, 64, 100])
def test_each_pitch_class_is_read_once_at_any_height(mels):
    settings = SpectrogramSettings(mels=mels, fft_size=8192, hop=2048)
    wave = torch.tensor(tone(262, DARK)).float()[None]
    own = sound_features(spectrogram_images(wave, settings))[0, TIMBRE::2]
    torch.testing.assert_close(own, chroma(wave, settings)[0].mean(1), atol=1e-5, rtol=0)


def test_bytes_are_as_good_as_floats():
    pixels = images(tone(262, DARK), tone(370, BRIGHT))
    coarse = (pixels * 255).round().byte()
    assert (sound_features(pixels) - sound_features(coarse)).abs().max() < 0.003


def test_colour_moves_timbre_and_key_moves_harmony():
    own, colour, key = sound_vectors(images(tone(262, DARK), tone(262, BRIGHT), tone(311, DARK)))
    similar = part_similarities(own[None], torch.stack((colour, key)))
    assert similar[0, 1] > similar[1, 1]  # the same key in another colour
    assert similar[1, 0] > similar[0, 0]  # the same colour in another key
    assert agreeing_parts(similar, similar) == ["harmony", "timbre"]


def test_level_does_not_matter_and_silence_is_similar_to_nothing():
    loud = tone(262, DARK)
    vectors = sound_vectors(images(loud, loud / 50, 0 * loud))
    torch.testing.assert_close(vectors[0], vectors[1], atol=1e-2, rtol=0)
    assert not vectors[2].any()
    assert part_similarities(vectors[:1], vectors[2:]).tolist() == [[0.0, 0.0]]
    signed = ClassicalSigner()(torch.zeros(1, 2, 64, 9).byte())
    assert not signed.any()


def test_parts_are_judged_beside_what_is_usual():
    usual = torch.tensor([[0.9, 0.0], [0.8, 0.1], [1.0, -0.1]])
    assert agreeing_parts(torch.tensor([[0.9, 0.3]]), usual) == ["harmony"]
    assert agreeing_parts(torch.tensor([[1.0, 0.0]]), usual) == ["timbre"]
    assert agreeing_parts(torch.tensor([[0.2, 0.3]]), usual[:1]) == ["harmony"]
    same = torch.ones(3, 2)
    assert agreeing_parts(torch.tensor([[1.0, 1.5]]), same) == ["harmony"]


def test_what_is_usual_is_complete():
    assert len(MEAN) == len(DEVIATION) == SOUND_DIMENSIONS
    assert min(DEVIATION) > 0


@pytest.mark.parametrize("shape", [(1, 3, 64, 9), (2, 64, 9), (1, 2, 8, 9)])
def test_other_images_are_refused(shape):
    with pytest.raises(InvalidValueError, match=r"images: expected log-mel and chroma \(N, 2"):
        sound_vectors(torch.zeros(shape))
    with pytest.raises(InvalidValueError, match=r"sounds: expected \(N, 64\), got \(1, 3\)"):
        part_similarities(torch.zeros(1, 64), torch.zeros(1, 3))
