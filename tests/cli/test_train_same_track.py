"""`imprint train --task same-track`, and an index with its run, as their users meet them."""

import json
import shutil

import numpy as np
import pytest

from imprint.runs import read_json

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("librosa")

RATE = 16_000
FAST = ["--task", "same-track", "--seconds", "1", "--device", "cpu"]


def song(number, seconds=3.0):
    """A chord and a hiss of its own; the hiss alone changes over time."""
    draw = np.random.default_rng(number)
    time = np.arange(int(RATE * seconds)) / RATE
    pitch = 180 * 1.12**number
    chord = sum(np.sin(2 * np.pi * pitch * ratio * time) for ratio in (1, 1.25, 1.5))
    return 0.2 * (chord / 3 + 0.05 * (1 + time / 3) * draw.standard_normal(len(time)))


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("songs") / "ünï sóng"
    folder.mkdir()
    for number in range(10):
        soundfile.write(folder / f"歌 {number}.wav", song(number), RATE)
    return folder


@pytest.fixture
def run(songs, tmp_path, imprint):
    place = tmp_path / "learnt"
    code, out, err = imprint("train", songs, *FAST, "--out", place)
    assert code == 0, err
    assert "this run" in out
    assert "MFCC and chroma" in out
    return place


def test_the_result_has_its_keys_and_the_lines_fit_a_terminal(songs, run, imprint, tmp_path):
    code, out, _ = imprint("train", songs, *FAST, "--json", "--out", tmp_path / "again")
    assert code == 0
    result = json.loads(out)
    assert result["task"] == "same-track"
    assert {"first", "first_five", "untrained_first", "dimensions", "tracks"} <= result.keys()
    stored = read_json(run / "result.json")
    assert {key: stored[key] for key in ("first", "tracks")} == {
        key: result[key] for key in ("first", "tracks")
    }
    assert [len(result[key]) for key in ("found_within", "untrained_found_within")] == [20, 20]
    assert result["found_within"][0] == result["first"]
    report = (run / "report.html").read_text()
    assert "Telling tracks apart" in report
    assert "Results looked through" in report
    assert str(songs) in report
    _, out, _ = imprint("train", songs, *FAST, "--out", tmp_path / "third")
    assert max(len(line) for line in out.splitlines() if str(tmp_path) not in line) <= 80


def test_an_index_with_it_finds_the_track_and_recommends_others(songs, run, imprint, tmp_path):
    place = tmp_path / "index"
    code, _, err = imprint("index", songs, "--model", run, "--out", place)
    assert code == 0, err
    code, out, err = imprint("search", place, "歌 3.wav#1", "-k", "2", "--json")
    assert code == 0, err
    assert [json.loads(line)["id"][:7] for line in out.splitlines()] == ["歌 3.wav"[:7]] * 2
    code, out, err = imprint("recommend", place, "--like", songs / "歌 3.wav", "-k", "3", "--json")
    assert code == 0, err
    found = [json.loads(line) for line in out.splitlines()]
    assert len(found) == 3
    assert "歌 3.wav" not in {own["track"] for own in found}
    code, _, err = imprint("search", place, "歌 3.wav#1", "--out", tmp_path / "why")
    assert code == 0, err
    assert (tmp_path / "why" / "report.html").is_file()


def test_a_network_of_ones_own_choice_learns(songs, imprint, tmp_path):
    quick = ["--model", "conv4", "--epochs", "1", "--batch-size", "8"]
    code, out, err = imprint("train", songs, *FAST, *quick, "--json", "--out", tmp_path / "run")
    assert code == 0, err
    assert json.loads(out)["settings"]["layer"] == "block4"
    code, _, err = imprint("index", songs, "--model", tmp_path / "run", "--out", tmp_path / "in")
    assert code == 0, err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--task", "sing"], "task: expected classify or same-track, got 'sing'"),
        ([*FAST, "--skip", "imprint"], "skip: expected none beside --task same-track"),
        ([*FAST, "--model", "nope"], "model: expected paper, conv4"),
        ([*FAST, "--model", "conv4", "--layer", "nope"], "nope"),
        ([*FAST, "--batch-size", "1"], "batch_size: expected at least 4, got 1"),
        ([*FAST, "--test-share", "1.5"], "test_share"),
        (["--dimensions", "3"], "dimensions: expected --task same-track beside it"),
    ],
)
def test_mistakes_are_told_in_a_line(songs, imprint, tmp_path, given, message):
    code, out, err = imprint("train", songs, *given, "--out", tmp_path / "run")
    assert (code, out) == (2, "")
    assert message in err.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_read_is_named(songs, imprint, tmp_path):
    mixed = tmp_path / "mixed"
    shutil.copytree(songs, mixed)
    (mixed / "broken.wav").write_text("no sound")
    code, _, err = imprint("train", mixed, *FAST, "--out", tmp_path / "run")
    assert code == 0, err
    assert "skipped: " in err
    assert err.count("broken.wav: expected audio") == 1


def test_a_run_is_not_to_be_resumed(run, imprint):
    code, _, err = imprint("train", "--resume", "--out", run)
    assert code == 2
    assert "resume: expected a run that names classes, got same-track" in err


def test_pictures_have_no_tracks(imprint, tmp_path):
    code, _, err = imprint("train", "mnist", "--task", "same-track", "--out", tmp_path / "run")
    assert code == 2
    assert "expected audio" in err
    assert not (tmp_path / "run").exists()


def test_commands_that_need_classes_tell_that_there_are_none(songs, run, imprint):
    for command in (["predict", run, songs], ["early-exit", run, songs], ["attack", run, songs]):
        code, _, err = imprint(*command)
        assert code == 2
        assert "expected a run that names classes" in err
