"""`imprint predict` as its users meet it."""

import csv
import io
import json
import math
import os
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from imprint.answering import Prediction
from imprint.cli.predict import _csv, _jsonl
from imprint.early_exit import HEAD_KINDS, Costs, calibrated


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
    for name, seed, epochs in (("run0", 0, 2), ("run1", 1, 1), ("small", 0, 3)):
        settings = TrainSettings(epochs=epochs, batch_size=16, device="cpu", lr=0.02, seed=seed)
        train(load(folder / "pictures"), settings, out=folder / name)
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
        "predict", tmp_path / "no run", place / "pictures", "--out", tmp_path / "no" / "a.csv"
    )
    assert code == 2
    assert "a.csv: expected to be able to write it" in err  # before anything is loaded
    (tmp_path / "broken.png").write_bytes(b"no image")
    code, _, err = imprint(
        "predict", place / "run0", tmp_path / "broken.png", "--out", tmp_path / "b.csv"
    )
    assert code == 2
    assert "at least one image that can be read" in err
    assert not (tmp_path / "b.csv").exists()  # so that a second try is not refused


@pytest.mark.parametrize(
    ("shape", "expected"), [("csv", b"caf\xe9.png,dark,"), ("jsonl", b'caf\\udce9.png"')]
)
@pytest.mark.parametrize("to_file", [False, True])
def test_names_need_not_be_utf_8(imprint, place, tmp_path, monkeypatch, shape, expected, to_file):
    name = tmp_path / os.fsdecode(b"caf\xe9.png")
    name.write_bytes(next((place / "pictures" / "dark").iterdir()).read_bytes())
    given = io.BytesIO(b"\n" + os.fsencode(name) + b"\n")
    shown = io.BytesIO()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(given, encoding="utf-8"))
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(shown, encoding="utf-8"))
    file = tmp_path / "answers"
    out = ["--out", file] if to_file else []
    code, _, err = imprint("predict", place / "run0", "-", "--format", shape, *out)
    assert code == 0, err
    answers = file.read_bytes() if to_file else shown.getvalue()
    assert expected in answers
    if shape == "jsonl":
        assert json.loads(answers)["input"] == str(name)


def test_folders_of_parquet_and_idx_are_data_sets(imprint, place, tmp_path):
    images = [path.read_bytes() for path in sorted((place / "pictures" / "dark").iterdir())[:3]]
    cells = [{"bytes": own, "path": None} for own in images]
    (tmp_path / "packed").mkdir()
    table = pa.table({"image": cells, "label": [0, 1, 0]})
    pq.write_table(table, tmp_path / "packed" / "train-00000-of-00001.parquet")
    code, out, err = imprint("predict", place / "run0", tmp_path / "packed")
    assert code == 0, err
    assert len(rows_of(out)) == 3


@pytest.mark.parametrize("shape", ["csv", "jsonl"])
def test_what_is_not_known_is_left_empty(shape):
    text = io.StringIO()
    writer = (_csv if shape == "csv" else _jsonl)(text)
    writer([Prediction("a.png", "", math.nan, "end")])
    last = text.getvalue().splitlines()[-1]
    empty = {"input": "a.png", "label": "", "confidence": None, "exit": "end"}
    assert last == "a.png,,,end" if shape == "csv" else json.loads(last) == empty


def test_with_exits_answers_say_where_they_came_from(imprint, place, tmp_path, monkeypatch):
    costs = Costs(torch.tensor([0.1]), torch.tensor([0.01]), 1.0)  # on so small a network none pays
    monkeypatch.setattr(
        calibrated, "measure_costs", lambda *_, **__: dict.fromkeys(HEAD_KINDS, costs)
    )
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
    code, out, err = imprint("predict", tmp_path / "onnx", place / "pictures", "--watch")
    assert code == 0, err
    assert len(rows_of(out)) == 160
    (tmp_path / "onnx" / "reference.safetensors").unlink()
    code, _, err = imprint("predict", tmp_path / "onnx", place / "pictures", "--watch")
    assert (code, "watch: expected an export with reference.safetensors" in err) == (2, True)
    code, _, err = imprint(
        "predict", tmp_path / "onnx", place / "pictures", "--exits", tmp_path / "exits"
    )
    assert code == 2
    assert "has its own" in err
    code, _, err = imprint("predict", tmp_path / "onnx", place / "pictures", "--device", "cuda")
    assert (code, "device: expected auto or cpu for an export, got cuda" in err) == (2, True)
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


def test_a_small_network_is_asked_first(imprint, place, tmp_path, monkeypatch):
    costs = Costs(torch.tensor([0.9]), torch.tensor([0.01]), 1.0).behind(0.1)
    monkeypatch.setattr(
        calibrated, "measure_costs", lambda *_, **__: dict.fromkeys(HEAD_KINDS, costs)
    )
    asked = [
        "early-exit", place / "run0", place / "pictures", "--max-extra-error", 0.2, "--confidence",
        0.7, "--calibration-share", 0.8, "--layer", "block1", "--device", "cpu",
    ]  # fmt: skip
    exits = tmp_path / "exits"
    below = os.path.relpath(place / "small")  # found again from another folder
    code, shown, err = imprint(*asked, "--first", below, "--out", exits)
    assert code == 0, err
    assert "first network" in shown
    result = json.loads((exits / "result.json").read_text())
    assert result["exits"][0]["layer"] == "first network"
    assert result["exits"][0]["share"] > 0.5
    assert "first network" in (exits / "report.html").read_text()
    code, out, _ = imprint("predict", place / "run0", place / "pictures", "--exits", exits)
    assert code == 0
    whole = rows_of(out)
    assert "first network" in {row["exit"] for row in whole}
    code, _, err = imprint("export", place / "run0", "--exits", exits, "--out", tmp_path / "onnx")
    assert code == 0, err
    code, out, _ = imprint("predict", tmp_path / "onnx", place / "pictures")
    assert code == 0
    assert [row["label"] for row in rows_of(out)] == [row["label"] for row in whole]
    assert [row["exit"] for row in rows_of(out)] == [row["exit"] for row in whole]
    code, _, err = imprint(*asked, "--first", place / "run1", "--out", tmp_path / "other")
    assert code == 2
    assert "first: expected a run that held out the same images" in err
    code, _, err = imprint(*asked, "--first", tmp_path / "none", "--out", tmp_path / "other")
    assert code == 2
    assert "none" in err
    config = json.loads((exits / "config.json").read_text())
    assert config["first"] == str((place / "small").resolve())
    (exits / "config.json").write_text(json.dumps(config | {"first": "gone"}))
    code, _, err = imprint("predict", place / "run0", place / "pictures", "--exits", exits)
    assert code == 2
    assert "exits: expected the run of the network that they ask first in gone, found none" in err
    (exits / "config.json").write_text(json.dumps(config | {"first": str(place / "run1")}))
    code, _, err = imprint("predict", place / "run0", place / "pictures", "--exits", exits)
    assert code == 2
    assert f"exits: expected those of the network in {place / 'run1'}" in err


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


def test_a_first_network_that_is_not_taken_is_not_needed(imprint, place, tmp_path, monkeypatch):
    costs = Costs(torch.tensor([0.1]), torch.tensor([0.01]), 1.0).behind(9.0)
    monkeypatch.setattr(
        calibrated, "measure_costs", lambda *_, **__: dict.fromkeys(HEAD_KINDS, costs)
    )
    shutil.copytree(place / "small", tmp_path / "small")
    code, _, err = imprint(
        "early-exit", place / "run0", place / "pictures", "--max-extra-error", 0.2, "--confidence",
        0.7, "--calibration-share", 0.8, "--layer", "block1", "--device", "cpu", "--first",
        tmp_path / "small", "--out", tmp_path / "exits",
    )  # fmt: skip
    assert code == 0, err
    shutil.rmtree(tmp_path / "small")
    code, _, err = imprint(
        "predict", place / "run0", place / "pictures", "--exits", tmp_path / "exits"
    )
    assert code == 0, err


def test_what_a_network_prints_is_not_among_the_answers(imprint, place, tmp_path):
    (tmp_path / "loud.py").write_text(
        "from torch import nn\n"
        "class Loud(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.linear = nn.Linear(144, 2)\n"
        "    def forward(self, images):\n"
        "        print('hello from forward')\n"
        "        return self.linear(images.flatten(1))\n"
        "def build():\n"
        "    return Loud()\n"
    )
    model = tmp_path / "loud.py:build"
    code, _, err = imprint(
        "train",
        place / "pictures",
        "--model",
        model,
        "--epochs",
        1,
        "--batch-size",
        16,
        "--out",
        tmp_path / "run",
    )
    assert code == 0, err
    code, out, err = imprint("predict", tmp_path / "run", place / "pictures", "--format", "jsonl")
    assert code == 0
    assert len([json.loads(line) for line in out.splitlines()]) == 160
    assert "hello from forward" in err
