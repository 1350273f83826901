"""`imprint predict` as its users meet it."""

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Pictures of two classes, a run on them, and early exits of the run."""
    from imprint.data import load
    from imprint.training import TrainSettings, train

    folder = tmp_path_factory.mktemp("predict")
    draw = np.random.default_rng(0)
    for number in range(160):
        name = ("dark", "light")[number % 2]
        pixels = draw.integers(0, 100, (12, 12)) + 130 * (number % 2)
        path = folder / "pictures" / name / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    settings = TrainSettings(epochs=2, batch_size=16, device="cpu", lr=0.02)
    for seed in (0, 1):
        settings = TrainSettings(epochs=2, batch_size=16, device="cpu", lr=0.02, seed=seed)
        train(load(folder / "pictures"), settings, out=folder / f"run{seed}")
    return folder


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_a_folder_gives_a_line_an_image(imprint, place):
    code, out, err = imprint("predict", place / "run0", place / "pictures", "--device", "cpu")
    rows = rows_of(out)
    assert code == 0
    assert err == ""
    assert len(rows) == 160
    assert [row["input"] for row in rows] == sorted(row["input"] for row in rows)
    right = [row["label"] in row["input"] for row in rows]
    assert sum(right) > 150
    assert {row["exit"] for row in rows} == {"end"}
    assert all(0.5 <= float(row["confidence"]) <= 1 for row in rows)


def test_answers_do_not_depend_on_the_batch_or_on_the_way_in(imprint, place, monkeypatch, tmp_path):
    _, out, _ = imprint("predict", place / "run0", place / "pictures", "--batch-size", 7)
    whole = {row["input"]: row["label"] for row in rows_of(out)}
    one = sorted(whole)[3]
    _, out, _ = imprint("predict", place / "run0", one, "--format", "jsonl")
    assert json.loads(out)["label"] == whole[one]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(sorted(whole)[:5]) + "\n\n"))
    _, out, _ = imprint("predict", place / "run0", "-")
    assert [(row["input"], row["label"]) for row in rows_of(out)] == sorted(whole.items())[:5]
    images = [np.asarray(Image.open(path)) for path in sorted(whole)]
    labels = [int("light" in path) for path in sorted(whole)]
    arrays = {"x_train": np.stack(images[:4]), "x_test": np.stack(images[4:])}
    np.savez(tmp_path / "all.npz", **arrays, y_train=labels[:4], y_test=labels[4:])
    _, out, _ = imprint("predict", place / "run0", tmp_path / "all.npz")
    rows = rows_of(out)
    assert [row["input"] for row in rows[3:6]] == ["train/3", "test/0", "test/1"]
    assert [row["label"] for row in rows] == [whole[path] for path in sorted(whole)]


def test_what_is_broken_is_told_and_skipped(imprint, place, tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    for number, path in enumerate(sorted((place / "pictures" / "dark").iterdir())[:3]):
        (folder / f"{number}.png").write_bytes(path.read_bytes())
    (folder / "1.png").write_bytes(b"no image")
    (folder / ".hidden.png").write_bytes(b"no image")
    code, out, err = imprint("predict", place / "run0", folder)
    assert code == 0
    assert [row["input"][-5:] for row in rows_of(out)] == ["0.png", "2.png"]
    assert err.splitlines()[0].startswith("skipped: ")
    assert "1.png" in err.splitlines()[0]
    assert err.splitlines()[-1] == "answered 2, skipped 1"


def test_a_file_is_there_once_it_is_whole(imprint, place, tmp_path):
    file = tmp_path / "answers.csv"
    code, out, _ = imprint("predict", place / "run0", place / "pictures", "--out", file)
    assert (code, out) == (0, "")
    assert len(rows_of(file.read_text())) == 160
    code, _, err = imprint("predict", place / "run0", place / "pictures", "--out", file)
    assert code == 2
    assert f"out: expected a new file, got {file}" in err
    assert list(tmp_path.iterdir()) == [file]
    code, _, err = imprint(
        "predict", place / "run0", place / "pictures", "--out", tmp_path / "no" / "a.csv"
    )
    assert code == 2
    assert "a.csv: expected to be able to write it" in err


def test_with_exits_answers_say_where_they_came_from(imprint, place, tmp_path):
    loose = ["--max-extra-error", 0.2, "--confidence", 0.7, "--calibration-share", 0.8]
    code, _, err = imprint(
        "early-exit", place / "run0", place / "pictures", *loose, "--layer", "block1",
        "--head", "mlp", "--device", "cpu", "--out", tmp_path / "exits",
    )  # fmt: skip
    assert code == 0, err
    code, out, _ = imprint(
        "predict", place / "run0", place / "pictures", "--exits", tmp_path / "exits"
    )
    assert code == 0
    assert {row["exit"] for row in rows_of(out)} <= {"block1", "end"}
    whole = rows_of(out)
    code, shown, err = imprint(
        "export", place / "run0", "--exits", tmp_path / "exits", "--out", tmp_path / "onnx"
    )
    assert code == 0, err
    assert "segment_0.onnx" in shown
    code, out, _ = imprint("predict", tmp_path / "onnx", place / "pictures")
    assert code == 0
    for own, expected in zip(rows_of(out), whole, strict=True):
        assert own["label"] == expected["label"]
        assert own["exit"] == expected["exit"]
        assert float(own["confidence"]) == pytest.approx(float(expected["confidence"]), abs=1e-3)
    code, _, err = imprint(
        "predict", tmp_path / "onnx", place / "pictures", "--exits", tmp_path / "exits"
    )
    assert code == 2
    assert "has its own" in err
    code, _, err = imprint("predict", place / "run0", place / "pictures", "--watch")
    assert code == 2
    assert "watch: expected --exits" in err
    code, out, _ = imprint(
        "predict", place / "run0", place / "pictures", "--exits", tmp_path / "exits", "--watch"
    )
    assert code == 0
    assert len(rows_of(out)) == 160
    code, out, err = imprint(
        "attack", place / "run0", place / "pictures", "--exits", tmp_path / "exits",
        "--epsilon", 0.1, "--device", "cpu", "--json",
    )  # fmt: skip
    assert code == 0, err
    names = [row["name"] for row in json.loads(out)["networks"]]
    assert names == [str(place / "run0"), f"{place / 'run0'} with exits"]
    code, _, err = imprint(
        "predict", place / "run1", place / "pictures", "--exits", tmp_path / "exits"
    )
    assert code == 2
    assert f"exits: expected those of the network in {place / 'run1'}, got those of" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere"),
        (["pictures", "--format", "xml"], "format: expected csv or jsonl, got 'xml'"),
        (["pictures", "--batch-size", 0], "batch_size: expected at least 1, got 0"),
        (["empty"], "input: expected a folder with images"),
        (["mnist"], "data: expected images (1, 12, 12)"),
        (["broken.png"], "input: expected at least one image that can be read, 1 cannot"),
    ],
)
def test_mistakes_are_one_line(imprint, place, tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.png").write_bytes(b"no image")
    (tmp_path / "pictures").symlink_to(place / "pictures")
    code, _, err = imprint("predict", place / "run0", *arguments)
    assert code == 2
    assert err.splitlines()[-1].startswith("imprint: error: ")
    assert message in err
