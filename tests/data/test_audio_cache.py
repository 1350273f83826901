import errno
import json
import os
import shutil
import time

import pytest
import torch

from imprint.data import AudioOptions, audio_cache
from imprint.data.audio_cache import sound_images
from imprint.data.audio_files import files_by_class
from imprint.errors import DamagedFileError, InvalidValueError

from .conftest import write_tone

pytest.importorskip("soundfile")
AUDIO = AudioOptions(seconds=1, mels=32)


@pytest.fixture
def files(tone_folder):
    return files_by_class(tone_folder, tone_folder)


@pytest.fixture
def unread(monkeypatch):
    """From here on, whoever reads a file fails."""

    def use():
        def refuse(*_, **__):
            raise AssertionError

        monkeypatch.setattr(audio_cache, "choose_excerpts", refuse)

    return use


def only(cache):
    (place,) = cache.iterdir()
    return place


def test_images_are_made_once_and_then_mapped(files, tmp_path, unread):
    cache = tmp_path / "cache"
    made = sound_images(files, AUDIO, cache=cache)
    plain = sound_images(files, AUDIO)
    unread()
    mapped = sound_images(files, AUDIO, cache=cache)
    for found in (made, mapped):
        assert torch.equal(found.images, plain.images)
        assert found[1:] == plain[1:]
    assert {path.name for path in only(cache).iterdir()} == {"images.bin", "rows.json"}
    assert only(cache).joinpath("images.bin").stat().st_size == plain.images.numel()


def test_what_a_user_does_to_mapped_images_stays_with_the_user(files, tmp_path):
    first = sound_images(files, AUDIO, cache=tmp_path / "cache").images
    kept = first.clone()
    first.zero_()
    assert torch.equal(sound_images(files, AUDIO, cache=tmp_path / "cache").images, kept)


def test_the_label_is_no_part_of_the_key(files, tmp_path, unread):
    first = sound_images(files, AUDIO, cache=tmp_path / "cache")
    unread()
    named = AudioOptions(seconds=1, mels=32, label="mood")
    assert torch.equal(sound_images(files, named, cache=tmp_path / "cache").images, first.images)


@pytest.mark.parametrize("change", ["content", "time", "less", "settings"])
def test_whatever_changes_is_made_anew(files, tmp_path, change):
    cache, audio = tmp_path / "cache", AUDIO
    before = sound_images(files, AUDIO, cache=cache)
    if change == "content":
        write_tone(files[0].path, tone=3_000, seconds=3)
    elif change == "time":
        os.utime(files[0].path, ns=(1, 1))
    elif change == "less":
        files = files[1:]
    else:
        audio = AudioOptions(seconds=0.5, mels=32)
    after = sound_images(files, audio, cache=cache)
    assert len(list(cache.iterdir())) == 2
    assert (change == "time") == (
        after.images.shape == before.images.shape and torch.equal(after.images, before.images)
    )


def test_broken_files_are_kept_as_such(files, tmp_path, unread):
    cache = tmp_path / "cache"
    files[2].path.write_bytes(b"no audio")
    with pytest.raises(DamagedFileError, match=r"2\.flac: expected audio"):
        sound_images(files, AUDIO, cache=cache)
    assert not cache.exists() or not any(cache.iterdir())  # nothing half-made is left
    made = sound_images(files, AUDIO, lenient=True, cache=cache)
    assert list(made.failures) == [2]
    unread()
    assert sound_images(files, AUDIO, lenient=True, cache=cache)[1:] == made[1:]
    with pytest.raises(DamagedFileError, match=r"2\.flac: expected audio"):
        sound_images(files, AUDIO, cache=cache)


@pytest.mark.parametrize("damage", ["short", "text", "list", "missing", "shape"])
def test_what_is_not_whole_is_made_anew(files, tmp_path, damage):
    cache = tmp_path / "cache"
    expected = sound_images(files, AUDIO, cache=cache).images.clone()
    rows, images = only(cache) / "rows.json", only(cache) / "images.bin"
    if damage == "short":
        images.write_bytes(images.read_bytes()[:-1])
    elif damage == "missing":
        images.unlink()
    elif damage == "shape":
        told = json.loads(rows.read_text())
        rows.write_text(json.dumps({**told, "excerpts": told["excerpts"][1:]}))
    else:
        rows.write_text("no JSON" if damage == "text" else "[1]")
    assert torch.equal(sound_images(files, AUDIO, cache=cache).images, expected)


def test_a_place_that_cannot_be_written_is_no_failure(files, tmp_path):
    (tmp_path / "file").touch()
    expected = sound_images(files, AUDIO).images
    assert torch.equal(sound_images(files, AUDIO, cache=tmp_path / "file" / "a").images, expected)


def test_a_full_disk_is_no_failure(files, tmp_path, monkeypatch, caplog):
    expected = sound_images(files, AUDIO).images
    cache = tmp_path / "cache"
    with monkeypatch.context() as patch:
        full = shutil._ntuple_diskusage(9, 9, 9)
        patch.setattr(audio_cache.shutil, "disk_usage", lambda _: full)
        assert torch.equal(sound_images(files, AUDIO, cache=cache).images, expected)

    def refuse(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(audio_cache.os, "fsync", refuse)
    with caplog.at_level("INFO", "imprint"):
        assert torch.equal(sound_images(files, AUDIO, cache=cache).images, expected)
    assert "No space left on device" in caplog.text
    assert not any(cache.iterdir())


def test_a_process_that_was_quicker_does_no_harm(files, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    expected = sound_images(files, AUDIO, cache=cache).images.clone()
    kept = audio_cache._kept
    found = iter([None])
    monkeypatch.setattr(audio_cache, "_kept", lambda place: next(found, kept(place)))
    assert torch.equal(sound_images(files, AUDIO, cache=cache).images, expected)
    assert len(list(cache.iterdir())) == 1


def test_where_images_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("IMPRINT_CACHE", "")
    assert audio_cache.audio_cache() is None
    monkeypatch.setenv("IMPRINT_CACHE", str(tmp_path))
    assert audio_cache.audio_cache() == tmp_path / "audio"
    monkeypatch.delenv("IMPRINT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert audio_cache.audio_cache() == tmp_path / "cache" / "imprint" / "audio"


def test_what_a_killed_process_left_is_removed_in_time(files, tmp_path):
    old, new = (tmp_path / "cache" / f".growing-{name}" for name in ("old", "new"))
    for left in (old, new):
        (left / "half").mkdir(parents=True)
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(old, (two_days_ago, two_days_ago))
    sound_images(files, AUDIO, cache=tmp_path / "cache")
    assert (old.exists(), new.exists()) == (False, True)


def test_no_files():
    with pytest.raises(InvalidValueError, match="at least one file"):
        sound_images([], AUDIO)


def test_what_is_not_whole_is_replaced(files, tmp_path, unread):
    cache = tmp_path / "cache"
    expected = sound_images(files, AUDIO, cache=cache).images.clone()
    (only(cache) / "images.bin").write_bytes(b"")
    sound_images(files, AUDIO, cache=cache)
    unread()
    assert torch.equal(sound_images(files, AUDIO, cache=cache).images, expected)


def test_a_file_that_goes_while_it_is_looked_at(files, tmp_path, monkeypatch):
    expected = sound_images(files[1:], AUDIO).images
    monkeypatch.setattr(audio_cache.os, "access", lambda *_: True)
    files[0].path.unlink()
    found = sound_images(files, AUDIO, lenient=True, cache=tmp_path / "cache")
    assert torch.equal(found.images, expected)
    assert list(found.failures) == [0]
