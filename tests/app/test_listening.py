"""What the tab Listen computes."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from imprint.app.listening import Sound, Wishes, reason_of, write_excerpt
from imprint.app.named_folders import NamedFolders
from imprint.app.run_list import list_runs
from imprint.app.sources import sources_of
from imprint.app.spectrogram import spectrogram_chart
from imprint.data import AudioOptions, survey
from imprint.errors import DamagedFileError, ImprintError, InvalidValueError
from imprint.searching import Gallery
from imprint.training import SameTrackSettings, load_trained, train_same_track

from .conftest import RATE, tone

LOW = ("low 0.wav", "low 1.wav")


@pytest.fixture
def listening(sources):
    return sources.listening


def test_an_excerpt_is_there_once_it_is_whole(listening, tmp_path, monkeypatch):
    """Two visitors may ask for the same one at once."""
    write = soundfile.write

    def look(file, *given, **more):
        write(file, *given, **more)
        assert not [own for own in (tmp_path / "played").glob("*.wav") if len(own.stem) == 32]

    sound = listening.sound(listening.row(LOW[0]))
    monkeypatch.setattr("soundfile.write", look)
    made = write_excerpt(sound, tmp_path / "played", seconds=1, sample_rate=RATE)
    assert list((tmp_path / "played").iterdir()) == [made]


def test_tracks_are_the_rows_of_the_index(listening):
    assert listening.tracks() == sorted(f"{n} {k}.wav" for n in ("low", "middle", "high") for k in (0, 1))  # fmt: skip  # noqa: E501


def test_similar_tracks_are_of_the_same_pitch_and_say_why(listening):
    found = listening.recommend(Wishes((LOW[0],)), k=5)
    assert found[0].id == LOW[1]
    assert LOW[0] not in [own.id for own in found]
    assert reason_of(found[0]).startswith(f"Similarity {found[0].similarity:.3f} to what you like")
    assert any(part in reason_of(found[0]) for part in ("Mostly its timbre", "Mostly its harmony"))


def test_what_is_not_liked_goes_down(listening):
    liked = Wishes((LOW[0],))
    before = [own.id for own in listening.recommend(liked, k=5)]
    found = listening.recommend(liked.disliking(before[0]), k=5)
    assert before[0] not in [own.id for own in found]
    assert "to what you do not" in reason_of(found[0])


def test_a_wish_takes_the_place_of_the_one_before():
    wishes = Wishes(("a",)).liking("b").disliking("c")
    assert wishes == Wishes(("a", "b"), ("c",))
    assert wishes.disliking("b") == Wishes(("a",), ("c", "b"))
    assert wishes.liking("c") == Wishes(("a", "b", "c"), ())
    assert wishes.liking("b") == wishes
    assert wishes.disliking("a") == wishes


def test_a_sound_of_ones_own_finds_what_is_like_it(listening, tmp_path):
    path = tmp_path / "мелодия 音.wav"
    soundfile.write(path, tone(220.0, seed=0), RATE)
    assert listening.recommend(Wishes((path,)), k=3)[0].id in LOW


def test_a_run_that_learnt_without_labels_serves_an_index(place, tmp_path):
    audio = AudioOptions(seconds=1.0, excerpts=2)
    part = survey(place / "data" / "music", audio=audio)["all"].images
    runs = tmp_path / "runs"
    twice = replace(part, images=part.images.repeat(2, 1, 1, 1), labels=part.labels.repeat(2),
                    groups=part.groups.repeat(2))  # fmt: skip
    train_same_track(twice, part, SameTrackSettings(device="cpu"), out=runs / "tracks")
    trained = load_trained(runs / "tracks", answers=False)
    gallery = Gallery(
        tmp_path / "songs", model=trained.model, layer=trained.layer, audio=audio,
        normalisation=trained.normalisation, run=str(runs / "tracks"),
    )  # fmt: skip
    gallery.add(place / "data" / "music")
    folders = NamedFolders(runs, data=[place / "data"])
    listening = sources_of(folders, str(tmp_path / "songs"), tmp_path / "cache").listening
    soundfile.write(tmp_path / "own.wav", tone(220.0, seed=7), RATE)
    assert len(listening.recommend(Wishes((tmp_path / "own.wav",)), k=3)) == 3
    assert [own.name for own in list_runs(folders, "train")] == []  # it names no classes to look at
    assert [own.name for own in list_runs(folders, "same-track")] == ["tracks"]


def test_silence_is_similar_to_nothing(listening, tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(RATE), RATE)
    assert listening.recommend(Wishes((tmp_path / "silence.wav",)), k=3) == []
    assert not listening.picture(Sound(tmp_path / "silence.wav", None, "silence")).any()


@pytest.mark.parametrize("content", ["empty", "no samples", "text"])
def test_what_is_no_sound_is_told_so(listening, tmp_path, content):
    path = tmp_path / "a.wav"
    if content == "no samples":
        soundfile.write(path, np.zeros(0), RATE)
    else:
        path.write_text("" if content == "empty" else "no sound")
    for look in (
        lambda: listening.recommend(Wishes((path,)), k=3),
        lambda: listening.picture(Sound(path, None, "a")),
        lambda: write_excerpt(Sound(path, None, "a"), tmp_path, seconds=1, sample_rate=RATE),
    ):
        with pytest.raises(DamagedFileError):
            look()


def test_an_excerpt_is_decoded_anew_and_once(listening, tmp_path):
    sound = listening.sound(listening.row(LOW[0]))
    made = write_excerpt(sound, tmp_path / "played", seconds=1.0, sample_rate=8_000)
    wave, rate = soundfile.read(made)
    assert (len(wave), rate, made.suffix) == (8_000, 8_000, ".wav")
    again = write_excerpt(sound, tmp_path / "played", seconds=1.0, sample_rate=8_000)
    assert again == made
    assert len(list((tmp_path / "played").iterdir())) == 1


def test_tracks_outside_of_the_named_folders_are_not_read(place, tmp_path):
    sources = sources_of(NamedFolders(place / "runs"), str(place / "songs.index"), tmp_path)
    listening = sources.listening
    with pytest.raises(InvalidValueError, match="named by --data"):
        listening.sound(listening.row(LOW[0]))


def test_a_track_that_became_a_link_out_of_the_folder_is_not_read(place, tmp_path):
    sources = sources_of(
        NamedFolders(tmp_path, data=[place / "data"]), str(place / "songs.index"), tmp_path
    )
    path = place / "data" / "music" / LOW[1]
    kept = shutil.move(path, tmp_path / "kept.wav")
    try:
        path.symlink_to(kept)
        with pytest.raises(ImprintError, match="named by --data"):
            sources.listening.sound(sources.listening.row(LOW[1]))
    finally:
        path.unlink(missing_ok=True)
        shutil.move(kept, path)


def test_an_index_of_images_is_none_to_listen_to(place, folders, tmp_path):
    sources = sources_of(folders, str(place / "digits.index"), tmp_path)
    with pytest.raises(InvalidValueError, match="one of images"):
        _ = sources.listening


def test_a_pure_tone_is_bright_at_its_frequency(tmp_path, listening):
    audio = AudioOptions(seconds=1.0)
    at = np.arange(RATE) / RATE
    for hertz in (500.0, 2000.0):
        path = tmp_path / f"{hertz:g}.wav"
        soundfile.write(path, 0.5 * np.sin(2 * np.pi * hertz * at), RATE)
        chart = spectrogram_chart(listening.picture(Sound(path, 0.0, "tone")), audio, start=3.0)
        bright = torch.tensor(chart["data"][0]["z"]).mean(1).argmax()
        axis = chart["layout"]["yaxis"]
        place = axis["tickvals"][axis["ticktext"].index(f"{hertz:g}")]
        assert abs(place - float(bright)) < 1
        assert chart["data"][0]["x0"] == 3.0
