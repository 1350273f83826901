import subprocess
import sys

import numpy as np
import pytest
import torch

import imprint.data
from imprint.data import AudioOptions, load, spelled, survey
from imprint.data.audio_cache import sound_images
from imprint.data.audio_tables import files_in_table
from imprint.errors import DamagedFileError, InvalidValueError, MissingExtraError, MissingFileError

from .conftest import given_data, write_tone

soundfile = pytest.importorskip("soundfile")
SHORT = AudioOptions(seconds=0.5, mels=32)


def tracks(part):
    return set(part.groups.tolist())


def test_class_folders_become_images_with_their_tracks(tone_folder):
    splits = load(tone_folder, audio=SHORT, test_share=0.25)
    assert splits.name == str(tone_folder)
    assert splits.train.class_names == ("high", "low")
    assert splits.shape == (2, 32, 16)
    assert (len(splits.train), len(splits.test)) == (24, 8)
    assert splits.test.labels.tolist() == [0] * 4 + [1] * 4
    assert not tracks(splits.train) & tracks(splits.test)
    peaks = splits.train.images[:, 0].float().mean(2).argmax(1)
    assert peaks[splits.train.labels == 0].min() > peaks[splits.train.labels == 1].max()


def test_the_split_follows_the_seed(tone_folder):
    one, same, other = (load(tone_folder, audio=SHORT, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(one.test.images, same.test.images)
    assert not torch.equal(one.test.images, other.test.images)


def test_a_train_and_a_test_folder(tmp_path):
    for place in ("train/a/1", "train/a/2", "train/b/1", "test/a/1", "test/b/1", "val/a/1"):
        write_tone(tmp_path / f"{place}.wav", tone=300 + 10 * len(place))
    splits = load(tmp_path, audio=SHORT)
    assert splits.train.labels.tolist() == [0, 0, 0, 0, 1, 1]
    assert splits.test.labels.tolist() == [0, 0, 1, 1]
    assert not tracks(splits.train) & tracks(splits.test)
    assert list(survey(tmp_path, audio=SHORT)) == ["train", "test", "val"]


def test_a_table_names_files_labels_and_tracks(tmp_path):
    rows = ["file,track,mood,year"]
    for number in range(12):
        write_tone(tmp_path / f"{number}.ogg", tone=200 + 50 * number)
        rows.append(
            f"{number}.ogg,{number // 2},{'calm' if number < 6 else 'wild'},{1970 + number}"
        )
    (tmp_path / "tracks.csv").write_text("\n".join(rows))
    audio = AudioOptions(seconds=0.5, mels=32, label="mood")
    for source in (tmp_path, tmp_path / "tracks.csv"):
        splits = load(source, audio=audio)
        assert splits.train.class_names == ("calm", "wild")
        assert len(splits.train) == 16
        assert len(splits.test) == 8
        assert not tracks(splits.train) & tracks(splits.test)
    (part,) = survey(tmp_path, audio=audio).values()
    assert part.metadata["year"] == tuple(str(1970 + number // 2) for number in range(24))
    assert part.metadata["track"][4:8] == ("1",) * 4
    assert part.metadata["start_seconds"][:3] == ("0.000", "0.500", "0.000")
    assert part.metadata["file"][-1] == "11.ogg"
    assert part.paths[:2] == ("0.ogg, 0.0 s", "0.ogg, 0.5 s")
    assert part.images.groups[:8].tolist() == [0] * 4 + [1] * 4


def test_a_survey_needs_no_labels(tmp_path):
    folder = tmp_path / "album"
    for number in range(3):
        write_tone(folder / f"{number}.wav")
    (part,) = survey(folder).values()
    assert part.images.class_names == ("album",)
    assert part.paths == ("0.wav", "1.wav", "2.wav")
    (folder / "tracks.csv").write_text("file,title\n0.wav,A\n2.wav,C\n")
    (part,) = survey(folder).values()
    assert part.images.class_names == ("album",)
    assert part.metadata["title"] == ("A", "C")
    (alone,) = survey(folder / "1.wav").values()
    assert (alone.paths, alone.images.class_names) == (("1.wav",), ("album",))


def test_images_can_be_brought_to_squares(tone_folder):
    assert load(tone_folder, audio=SHORT, image_size=24).shape == (2, 24, 24)
    assert survey(tone_folder, audio=SHORT, image_size=24)["all"].images.images.shape[2:] == (
        24,
        24,
    )


def test_a_survey_lists_what_is_broken(tone_folder, tmp_path, capfd):
    (tone_folder / "low" / "1.wav").write_bytes(b"no audio")
    soundfile.write(tone_folder / "low" / "2.wav", np.zeros(0), 16_000)
    write_tone(tmp_path / "key.wav")
    (tone_folder / "high" / "out.wav").symlink_to(tmp_path / "key.wav")
    (part,) = survey(tone_folder, audio=SHORT).values()
    broken = {entry.path: (entry.label, entry.reason) for entry in part.unreadable}
    assert list(broken) == ["high/out.wav", "low/1.wav", "low/2.wav"]
    assert [label for label, _ in broken.values()] == [0, 1, 1]
    assert "expected a file within" in broken["high/out.wav"][1]
    assert len(part.images) == 24
    with pytest.raises(InvalidValueError, match=r"out\.wav: expected a file within"):
        load(tone_folder, audio=SHORT)
    (tone_folder / "high" / "out.wav").unlink()
    with pytest.raises(DamagedFileError, match=r"1\.wav: expected audio, got 8 bytes"):
        load(tone_folder, audio=SHORT)
    capfd.readouterr()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a/1.wav", "a/2.wav"], r"at least two classes to train on, got \['a'\]"),
        (
            ["a/1.wav", "b/1.wav"],
            "two tracks of some class, one to train and one to test on, got 2",
        ),
        (["a/1.wav", "void/notes.txt"], r"void: expected audio \(.*\), got none"),
        (["1.wav", "2.wav"], "a folder per class, or a CSV .* got 2 files of audio"),
        (["train/a/1.wav", "train/b/1.wav", "test/c/1.wav"], r"got \['c'\] besides"),
    ],
)
def test_folders_that_hold_no_classes_are_refused(tmp_path, names, said):
    for name in names:
        if name.endswith(".wav"):
            write_tone(tmp_path / name)
        else:
            (tmp_path / name).parent.mkdir(parents=True)
            (tmp_path / name).touch()
    with pytest.raises(InvalidValueError, match=said):
        load(tmp_path)


def test_an_empty_folder(tmp_path):
    with pytest.raises(InvalidValueError, match="expected one folder per class, got no folder"):
        load(tmp_path)
    (tmp_path / "a").mkdir()
    with pytest.raises(InvalidValueError, match="a: expected images"):
        load(tmp_path)


def test_files_of_a_table_that_are_missing_or_outside(tmp_path):
    folder = tmp_path / "music"
    write_tone(tmp_path / "key.wav")
    for number in range(4):
        write_tone(folder / f"{number}.wav")
    rows = "file,label\n0.wav,a\n1.wav,a\n2.wav,b\n3.wav,b\n"
    for name, error in (("gone.wav", MissingFileError), ("../key.wav", InvalidValueError)):
        (folder / "tracks.csv").write_text(rows + f"{name},a\n")
        with pytest.raises(error, match=name):
            load(folder)
        (part,) = survey(folder).values()
        assert [entry.path for entry in part.unreadable] == [name]
        assert len(part.images) == 4


@pytest.mark.parametrize("name", ["класс/звук", "音楽/曲 1", "a\nb/c", "\udcff/\udcfe"])
def test_names_in_any_script(tmp_path, name):
    for other in ("b/1", "b/2", name, name + "2"):
        write_tone(tmp_path / f"{other}.wav")
    splits = load(tmp_path, audio=SHORT)
    assert spelled(name.partition("/")[0]) in splits.train.class_names


def test_many_images_are_split_without_taking_them_into_memory(tone_folder, monkeypatch):
    expected = load(tone_folder, audio=SHORT)
    monkeypatch.setattr("imprint.data.audio.MEMORY_BUDGET", 100)
    monkeypatch.setattr("imprint.data.audio_cache.MEMORY_BUDGET", 100)
    monkeypatch.setattr("imprint.data.audio.AT_ONCE", 3)
    spilled = load(tone_folder, audio=SHORT)
    assert torch.equal(spilled.train.images, expected.train.images)
    assert torch.equal(spilled.test.images, expected.test.images)


def test_a_missing_extra_is_told_before_anything_is_read(tone_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "librosa", None)
    monkeypatch.setattr(imprint.data.sounds, "_opened", None)
    with pytest.raises(MissingExtraError, match=r"librosa: .*pip install 'imprint\[audio\]'"):
        load(tone_folder)


def test_images_need_no_extra_of_audio():
    code = "import sys; sys.modules.update(dict.fromkeys(('soundfile', 'soxr', 'librosa')));"
    code += "from imprint.data import load; print(load('mnist').num_classes)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "10"


def features(images):
    """Mean and deviation over time of each row of both channels, standardised over all images."""
    rows = images.float()
    each = torch.cat((rows.mean(3), rows.std(3)), 2).flatten(1)
    return torch.nn.functional.normalize((each - each.mean(0)) / (each.std(0) + 1e-6), dim=1)


@pytest.mark.data
def test_two_excerpts_of_a_track_are_nearer_than_chance():
    """Meaning: by mean and deviation of the rows alone, the other excerpt often comes first."""
    files = files_in_table(given_data("music") / "tracks.csv", lenient=True)[:120]
    assert files[0].columns.keys() >= {"collection", "composer", "title"}
    found = sound_images(files, AudioOptions(excerpts=1))
    assert found.images.shape == (120, 2, 64, 469)
    tracks = np.array([files[excerpt.file].track for excerpt in found.excerpts])
    similarity = features(found.images) @ features(found.images).T
    similarity.fill_diagonal_(-1)
    first = tracks[similarity.argmax(1)] == tracks
    paired = np.array([(tracks == track).sum() > 1 for track in tracks])
    assert first[paired].mean() > 0.25  # by chance, 1 in 119


@pytest.mark.data
def test_level_and_codec_hardly_move_an_image(tmp_path):
    files = sorted(given_data("music").glob("*.ogg"))[::64]
    for number, file in enumerate(files):
        samples, rate = soundfile.read(file)
        for kind in ("plain", "quiet", "coded", "resampled"):
            (tmp_path / kind).mkdir(exist_ok=True)
        soundfile.write(tmp_path / "plain" / f"{number}.flac", samples, rate, subtype="PCM_24")
        soundfile.write(tmp_path / "quiet" / f"{number}.flac", samples / 8, rate, subtype="PCM_24")
        soundfile.write(tmp_path / "coded" / f"{number}.mp3", samples / 2, rate)
        low = __import__("soxr").resample(samples, rate, 16_000)
        soundfile.write(tmp_path / "resampled" / f"{number}.flac", low, 16_000, subtype="PCM_24")
    images = {
        kind: survey(tmp_path / kind, audio=AudioOptions(seconds=14.9))["all"].images.images
        for kind in ("plain", "quiet", "coded", "resampled")
    }
    plain = images.pop("plain").float() / 255
    moved = {kind: float((image / 255 - plain).abs().mean()) for kind, image in images.items()}
    spread = float((plain[1:] - plain[:-1]).abs().mean())  # of one track from another
    assert moved["quiet"] < 1e-3
    assert moved["resampled"] < 5e-3
    assert moved["coded"] < spread / 5


@pytest.mark.parametrize("cached", [False, True])
def test_a_file_without_a_sample_of_use_is_told(tmp_path, monkeypatch, cached):
    monkeypatch.setenv("IMPRINT_CACHE", str(tmp_path / "cache") if cached else "")
    path = write_tone(tmp_path / "tones" / "a.wav")
    soundfile.write(path, np.full(16_000, np.nan), 16_000, subtype="FLOAT")
    with pytest.raises(InvalidValueError, match=r"got none: .*a\.wav: expected finite samples"):
        survey(tmp_path / "tones")


def test_a_sound_beyond_all_measure_is_broken_not_the_set(tmp_path):
    write_tone(tmp_path / "a.wav", rate=44_100)
    draw = np.random.default_rng(0)
    loud = draw.choice([3e38, -3e38], 44_100)  # finite, until a filter overshoots
    soundfile.write(tmp_path / "b.wav", loud, 44_100, subtype="FLOAT")
    part = survey(tmp_path)["all"]
    assert len(part.images) == 1
    assert [own.path for own in part.unreadable] == ["b.wav"]


def test_short_excerpts_have_names_of_their_own(tmp_path):
    write_tone(tmp_path / "a.wav")
    part = survey(tmp_path, audio=AudioOptions(seconds=0.05))["all"]
    assert len(set(part.paths)) == len(part.paths) == 20
    assert part.paths[1] == "a.wav, 0.050 s"


def test_a_table_of_another_kind_does_not_stand_in_the_way(tone_folder):
    (tone_folder / "notes.csv").write_bytes("Stück;Jahr".encode("latin-1"))
    assert len(load(tone_folder, audio=SHORT).train) == 24
