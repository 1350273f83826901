import os

import pytest

from imprint.data.audio_files import (
    LOOKED_AT,
    audio_below,
    files_by_class,
    files_side_by_side,
    place_in,
)
from imprint.errors import InvalidValueError, MissingFileError


def touched(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("names", "is_audio"),
    [
        ((), False),
        (("a/1.txt",), False),
        (("a/1.png", "b/1.jpg"), False),
        (("a/1.OGG",), True),
        (("cover.jpg", "a/cover.jpg", "a/b/1.mp3"), True),
        ((".hidden/1.mp3", "a/._1.mp3"), False),
    ],
)
def test_audio_is_told_by_its_files(tmp_path, names, is_audio):
    assert audio_below(touched(tmp_path, *names)) is is_audio


def test_a_large_folder_of_images_is_not_looked_through(tmp_path, monkeypatch):
    touched(tmp_path, *(f"a/{number}.png" for number in range(9)))
    monkeypatch.setattr("imprint.data.audio_files.LOOKED_AT", 5)
    assert LOOKED_AT > 5
    touched(tmp_path, "b/1.wav")
    seen = [path.suffix for path in tmp_path.rglob("*") if path.is_file()][:5]
    assert audio_below(tmp_path) is (".wav" in seen)


def test_each_file_is_a_track_of_its_folders_class(tmp_path):
    touched(
        tmp_path, "b/2.wav", "b/disc 1/1.flac", "a/x.opus", "a/notes.txt", "a/._x.opus", "c.wav"
    )
    files = files_by_class(tmp_path, tmp_path)
    assert [(file.shown, file.label) for file in files] == [
        ("a/x.opus", "a"),
        ("b/2.wav", "b"),
        ("b/disc 1/1.flac", "b"),
    ]
    assert [file.track for file in files] == [file.shown for file in files]
    assert not any(file.refused for file in files)


def test_a_class_without_audio(tmp_path):
    touched(tmp_path, "a/1.wav", "void/notes.txt")
    with pytest.raises(InvalidValueError, match=r"void: expected audio \(.aif.*\), got none"):
        files_by_class(tmp_path, tmp_path)
    assert len(files_by_class(tmp_path, tmp_path, lenient=True)) == 1


def test_files_side_by_side_are_of_one_class(tmp_path):
    touched(tmp_path / "album", "2.mp3", "1.mp3", "cover.jpg", "more/3.mp3")
    files = files_side_by_side(tmp_path / "album")
    assert [(file.shown, file.label) for file in files] == [("1.mp3", "album"), ("2.mp3", "album")]
    (alone,) = files_side_by_side(tmp_path / "album" / "more" / "3.mp3")
    assert (alone.shown, alone.label, alone.track) == ("3.mp3", "more", "3.mp3")


def test_links_out_of_the_folder_are_not_followed(tmp_path):
    secret = touched(tmp_path / "secret", "key.wav", "deep/other.wav")
    folder = touched(tmp_path / "music", "a/1.wav", "a/2.wav", "b/1.wav")
    (folder / "a" / "out.wav").symlink_to(secret / "key.wav")
    (folder / "a" / "up").symlink_to(secret)
    (folder / "c").symlink_to(secret)
    (folder / "a" / "in.wav").symlink_to(folder / "a" / "1.wav")
    (folder / "a" / "nowhere.wav").symlink_to(folder / "a" / "gone.wav")
    (folder / "a" / "loop.wav").symlink_to(folder / "a" / "loop.wav")
    refused = {file.shown: file.refused for file in files_by_class(folder, folder)}
    assert [name for name, why in refused.items() if why is None] == [
        "a/1.wav",
        "a/2.wav",
        "a/in.wav",
        "b/1.wav",
    ]
    assert {name for name, why in refused.items() if why} == {
        "a/out.wav",
        "a/nowhere.wav",
        "a/loop.wav",
        "c",
    }
    for name in ("a/out.wav", "c"):
        assert isinstance(refused[name], InvalidValueError)
        assert "expected a file within" in str(refused[name])
    assert isinstance(refused["a/nowhere.wav"], MissingFileError)


def test_a_folder_that_is_a_link_itself_is_fine(tmp_path):
    touched(tmp_path / "real", "a/1.wav")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (file,) = files_by_class(tmp_path / "link", tmp_path / "link")
    assert file.refused is None


@pytest.mark.parametrize("name", ["../key.wav", "a/../../key.wav", "/etc/passwd"])
def test_paths_that_lead_out_are_refused(tmp_path, name):
    touched(tmp_path, "key.wav", "music/a/1.wav")
    why = place_in(tmp_path / "music", tmp_path / "music" / name)
    assert isinstance(why, InvalidValueError)
    assert place_in(tmp_path / "music", tmp_path / "music" / "a/../a/1.wav") is None


@pytest.mark.parametrize("name", ["a\0b.wav", "x" * 300 + ".wav", "loop.wav", "pipe.wav", "."])
def test_what_is_no_path_of_a_file_is_refused(tmp_path, name):
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    assert place_in(tmp_path, tmp_path / name) is not None
