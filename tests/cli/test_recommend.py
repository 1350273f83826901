"""`imprint recommend`, and an index of sound, as their users meet them."""

import json
import shutil

import numpy as np
import pytest

from imprint.runs import read_json

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("librosa")

RATE = 16_000
FAST = ["--epochs", "1", "--batch-size", "8", "--device", "cpu", "--seconds", "0.5", "--mels", "32"]


def made(kind, number):
    """A chord or a rising tone, which the numbers of one track share but for the level."""
    time = np.arange(RATE) / RATE
    pitch = 220 * 1.2 ** (number // 2)
    if kind == "chord":
        wave = sum(np.sin(2 * np.pi * pitch * ratio * time) for ratio in (1, 1.25, 1.5)) / 3
    else:
        wave = np.sin(2 * np.pi * (pitch * time + pitch / 2 * time**2))
    hiss = np.random.default_rng(number).standard_normal(RATE)
    return (0.5 - 0.1 * (number % 2)) * (wave + 0.02 * hiss)


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    folder = tmp_path_factory.mktemp("music") / "sounds"
    lines = ["file,genre,track,year"]
    for kind in ("chord", "sweep"):
        (folder / kind).mkdir(parents=True)
        for number in range(8):
            suffix = ("wav", "flac", "ogg")[number % 3]
            soundfile.write(folder / kind / f"{number}.{suffix}", made(kind, number), RATE)
            lines.append(f"{kind}/{number}.{suffix},{kind},{kind} {number // 2},{2000 + number}")
    (folder / "tracks.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture
def index(imprint, music, tmp_path):
    code, _, err = imprint("index", music, "--out", tmp_path / "songs")
    assert code == 0, err
    return tmp_path / "songs"


def lines_of(out):
    return [json.loads(line) for line in out.splitlines()]


def test_local_scaling_ranks_anew(imprint, index):
    asked = ("recommend", index, "--like", "chord/0.wav", "-k", 20, "--json")
    plain, scaled = (lines_of(imprint(*asked, *more)[1]) for more in ((), ("--local-scaling",)))
    scores = [row["score"] for row in scaled]
    assert scores == sorted(scores, reverse=True)
    before = {row["id"]: row["score"] for row in plain}
    assert before.keys() == {row["id"] for row in scaled}
    assert all(row["score"] < before[row["id"]] for row in scaled)


def test_a_result_is_a_line_and_of_another_track(imprint, index):
    code, out, err = imprint(
        "recommend", index, "--like", "chord/0.wav", "--like", "chord/2.ogg",
        "--not", "sweep/0.wav", "-k", 4, "--json",
    )  # fmt: skip
    assert (code, err) == (0, "")
    rows = lines_of(out)
    assert [row["rank"] for row in rows] == [1, 2, 3, 4]
    assert list(rows[0]) == [
        "rank", "id", "path", "score", "similarity", "unlike_similarity", "label",
        "timbre", "harmony", "agrees", "file", "genre", "year", "track", "start_seconds",
    ]  # fmt: skip
    tracks = [row["track"] for row in rows]
    assert len(set(tracks)) == 4
    assert not {"chord 0", "chord 1", "sweep 0"} & set(tracks)
    assert {row["label"] for row in rows[:2]} == {"chord"}
    code, out, _ = imprint(
        "recommend", index, "--like", "chord/0.wav", "--spread", 0.5, "--where", "year > 2004",
        "--json",
    )  # fmt: skip
    rows = lines_of(out)
    assert len(rows) == 4
    assert {row["unlike_similarity"] for row in rows} == {None}
    assert min(row["year"] for row in rows) > 2004


def test_a_table_of_eighty_columns(imprint, index):
    asked = ["recommend", index, "--like", "chord/0.wav", "-k", 3]
    code, out, _ = imprint(*asked)
    assert code == 0
    assert out.splitlines()[0].split() == ["similarity", "agrees", "id", "label"]
    assert {line.split()[1] for line in out.splitlines()[1:]} <= {"timbre", "harmony"}
    code, out, _ = imprint(*asked, "--not", "sweep/1.flac")
    assert out.splitlines()[0].split() == [
        "similarity", "to", "--not", "agrees", "id", "label"
    ]  # fmt: skip
    assert max(map(len, out.splitlines())) <= 80


def test_an_index_of_a_run_takes_files_and_shows_spectrograms(imprint, music, tmp_path):
    code, _, err = imprint("train", music, *FAST, "--model", "resnet8", "--out", "run")
    assert code == 0, err
    asked = ["index", music, "--model", "run", "--out", "songs", "--json"]
    code, out, err = imprint(*asked)
    assert code == 0, err
    result = json.loads(out)
    assert (result["rows"], result["broken"]) == (32, 0)  # two excerpts of half a second of each
    code, out, _ = imprint(*asked)
    assert json.loads(out)["unchanged"] == 32
    own = tmp_path / "own.wav"
    shutil.copy(music / "chord" / "3.wav", own)
    code, out, err = imprint("search", "songs", own, "-k", 2, "--json", "--out", "found")
    assert code == 0, err
    assert {row["track"] for row in lines_of(out)} == {"chord 1"}
    assert "<figure>" in (tmp_path / "found" / "report.html").read_text()
    code, out, err = imprint(
        "recommend", "songs", "--like", own, "--like", "chord/0.wav#2", "--json", "--out", "more"
    )
    assert code == 0, err
    assert not {"chord 0", "chord 1"} & {row["track"] for row in lines_of(out)}
    page = (tmp_path / "more" / "report.html").read_text()
    assert page.count("<figure>") == 6
    assert "http" not in page.replace("http-equiv", "")
    told = read_json(tmp_path / "more" / "result.json")
    assert told["like"] == [str(own), "chord/0.wav#2"]
    assert read_json(tmp_path / "more" / "config.json")["command"] == "recommend"
    code, _, err = imprint("search", "songs", "chord/0.wav#1", "--model", music)
    assert code == 2
    code, _, err = imprint("index", music, "--out", "songs")
    assert code == 2
    assert "model: expected one and a layer to take signatures, got none" in err


def test_images_are_recommended_too(imprint, indexed):
    code, out, err = imprint(
        "recommend", indexed, "--like", "dark/004.png", "--not", "light/001.png", "--json"
    )
    assert (code, err) == (0, "")
    rows = lines_of(out)
    assert len(rows) == 10
    assert {row["label"] for row in rows} == {"dark"}
    assert "agrees" not in rows[0]


def test_what_is_broken_is_told_and_skipped(imprint, music, tmp_path):
    shutil.copytree(music, tmp_path / "copy")
    (tmp_path / "copy" / "chord" / "0.wav").write_bytes(b"no audio")
    (tmp_path / "copy" / "chord" / "2.ogg").unlink()
    code, out, err = imprint("index", "copy", "--out", "songs", "--json")
    assert code == 0, err
    assert json.loads(out)["broken"] == 2
    assert json.loads(out)["layer"] == "mfcc-chroma"
    assert "expected audio, got 8 bytes that cannot be read" in err
    assert "chord/2.ogg: expected a file of audio, found none" in err.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["recommend", "nowhere", "--like", "x"], "index: expected one in nowhere, found none"),
        (["recommend", "INDEX"], "like: expected --like with an ID or a FILE, got none"),
        (["recommend", "INDEX", "--like", "no"], "like: expected a file of audio or an id of"),
        (["recommend", "INDEX", "--like", "GOOD", "--not", "no"], "not: expected a file of audio"),
        (["recommend", "INDEX", "--like", "GOOD", "--not", "GOOD"], "unlike: expected nothing"),
        (["recommend", "INDEX", "--like", "GOOD", "-k", "0"], "k: expected 1 … 1,000, got 0"),
        (["recommend", "INDEX", "--like", "GOOD", "--spread", "2"], "spread: expected 0 … 1, got"),
        (["recommend", "INDEX", "--like", "GOOD", "--where", "1=1"], "where: expected a column"),
        (["recommend", "INDEX", "--like", "broken.ogg"], "broken.ogg: expected audio, got 8"),
        (["recommend", "INDEX", "--like", "GOOD", "--out", "full"], "out: expected a new or"),
        (["recommend", "INDEX", "--like", "GOOD", "--model", "no"], "model: expected the run of"),
        (["index", "MUSIC", "--out", "INDEX", "--seconds", "3"], "seconds: expected 1.0 as"),
        (["index", "MUSIC", "--layer", "a"], "layer: expected none without --model, got a"),
        (["index", "pictures"], "model: expected one for images, got none; only files of audio"),
    ],
)
def test_mistakes_are_one_line(imprint, music, index, album, tmp_path, arguments, message):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "broken.ogg").write_bytes(b"no audio")
    (tmp_path / "pictures").symlink_to(album / "pictures")
    known = {"INDEX": index, "MUSIC": music, "GOOD": "chord/0.wav"}
    code, out, err = imprint(*(known.get(own, own) for own in arguments))
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith("imprint: error: ")
    assert message in err
    assert len(err.splitlines()) == 1
