"""`imprint see` as its users meet it."""

import json

import numpy as np
import pytest
from PIL import Image

from imprint.runs import read_json

FAST = ["--device", "cpu", "--batch-size", "16"]
FILES = {"config.json", "report.html", "result.json"}
FACTORY = """
import torch
from torch import nn

def plain():
    return nn.Sequential(nn.Flatten(), nn.Linear(432, 10))

def rgb(num_classes=4):
    return net(3, num_classes)

class Stubborn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)

    def forward(self, images):
        raise KeyError("no such thing")

def net(in_channels, num_classes):
    return nn.Sequential(
        nn.Conv2d(in_channels, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, num_classes),
    )
"""


@pytest.fixture
def folder(tmp_path):
    draw = np.random.default_rng(0)
    for number in range(24):
        blocks = draw.integers(0, 256, (3, 3), dtype=np.uint8)
        path = tmp_path / "pets" / ("cat", "dog")[number % 2] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.kron(blocks, np.ones((4, 4), np.uint8))).save(path)
    (tmp_path / "nets.py").write_text(FACTORY)
    Image.new("RGB", (40, 30), (200, 40, 10)).save(tmp_path / "red.png")
    return tmp_path / "pets"


def test_prints_a_table_and_writes_whole_files(imprint, folder, tmp_path):
    code, out, err = imprint("see", "conv4", "--data", folder, *FAST, "--out", "run")
    assert code == 0, err
    head, first, *rest = out.splitlines()
    assert head.split() == ["layer", "channels", "dead", "duplicates", "zeros", "no", "numbers"]
    assert first.startswith("block1.0")
    assert rest[-2:] == ["run/report.html", "run/result.json"]
    assert {path.name for path in (tmp_path / "run").iterdir()} == FILES
    config = read_json(tmp_path / "run/config.json")
    assert config["command"] == "see"
    assert config["command_line"].startswith("imprint see conv4")
    assert read_json(tmp_path / "run/result.json")["model"] == "conv4, untrained"


def test_json_alone_on_stdout(imprint, folder):
    code, out, err = imprint(
        "see", "nets.py:net", "--image", "red.png", *FAST, "--json", "--out", "run"
    )
    assert code == 0, err
    result = json.loads(out)
    assert result["image_shape"] == [3, 30, 40]
    assert len(result["answers"]) == 1


def test_layers_and_channels_that_are_asked_for(imprint, folder, tmp_path):
    code, _, err = imprint(
        "see", "conv4", "--data", folder, "--layer", "block2.0", "--channels", "3, 1", *FAST,
        "--out", "run",
    )  # fmt: skip
    assert code == 0, err
    result = read_json(tmp_path / "run/result.json")
    assert [row["name"] for row in result["layers"]] == ["block2.0"]
    assert [row["channel"] for row in result["patches"]] == [3, 1]


def test_a_run_with_kept_maps_shows_how_it_came_about(imprint, folder, tmp_path):
    code, _, err = imprint(
        "train", folder, "--epochs", 3, "--batch-size", 8, "--device", "cpu", "--keep-maps", 2,
        "--out", "trained",
    )  # fmt: skip
    assert code == 0, err
    code, _, err = imprint("see", "trained", "--image", "red.png", *FAST, "--out", "run")
    assert code == 0, err
    result = read_json(tmp_path / "run/result.json")
    assert result["image_shape"] == [1, 12, 12]
    assert result["class_names"] == ["cat", "dog"]
    assert [row["epochs"] for row in result["evolution"]] == [[1, 2, 3]] * len(result["evolution"])
    assert "How fast each layer settles" in (tmp_path / "run/report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["conv4"], "image: expected --image, --data or both, got neither"),
        (["conv4", "--data", "nowhere"], "data: expected a known name"),
        (["conv4", "--image", "nowhere.png"], "image: expected a file nowhere.png, found none"),
        (["conv4", "--image", "nets.py"], "nets.py: expected an image"),
        (["nothing", "--image", "red.png"], "model: expected paper, conv4"),
        (["pets", "--image", "red.png"], "expected a file pets/config.json, found none"),
        (["nets.py:lost", "--image", "red.png"], "expected a factory 'lost'"),
        (["nets.py:Stubborn", "--data", "pets"], "torch.float32: KeyError: 'no such thing'"),
        (["nets.py:plain", "--data", "pets"], "images: expected what the model takes"),
        (["conv4", "--data", "pets", "--layer", "x"], "layer: expected one of the model's"),
        (["conv4", "--data", "pets", "--layer", "block1", "--layer", "block1"], "'block1' twice"),
        (["conv4", "--data", "pets", "--layer", "block1", "--channels", "a"], "channels: expected"),
        (["conv4", "--data", "pets", "--layer", "block1", "--channels", "99"], "channels: expecte"),
        (["conv4", "--data", "pets", "--channels", "1"], "channels: expected none without a layer"),
        (["conv4", "--data", "pets", "--images", "0"], "images: expected at least 1"),
        (["paper", "--data", "pets"], "at least 16 pixels a side"),
        (["conv4", "--data", "empty"], "expected one folder per class, got no folder"),
    ],
)
def test_a_mistake_is_one_line(imprint, folder, tmp_path, arguments, said):
    (tmp_path / "empty").mkdir()
    code, out, err = imprint("see", *arguments, *FAST, "--out", "run")
    assert code == 2
    assert out == ""
    assert said in err
    assert err.strip().splitlines()[-1].startswith("imprint: error: ")
    assert not (tmp_path / "run").exists()


def test_an_interrupted_run_is_told_from_a_finished_one(imprint, folder, tmp_path):
    imprint(
        "train", folder, "--epochs", 2, "--batch-size", 8, "--device", "cpu", "--keep-maps", 2,
        "--out", "trained",
    )  # fmt: skip
    (tmp_path / "trained/model.safetensors").unlink()
    code, _, err = imprint("see", "trained", "--image", "red.png", *FAST, "--out", "run")
    assert code == 2
    assert "trained: expected a finished run" in err
    assert "--resume finishes one" in err


def test_images_of_another_shape_than_the_run_are_refused(imprint, folder, tmp_path):
    imprint(
        "train", folder, "--epochs", 1, "--batch-size", 8, "--device", "cpu", "--out", "trained"
    )
    code, _, err = imprint("see", "trained", "--data", folder, "--image-size", 20, "--out", "run")
    assert code == 2
    assert "data: expected images (1, 12, 12)" in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("mode", "size"), [("I;16", (9, 9)), ("P", (30, 8)), ("RGBA", (8, 8))])
def test_pictures_of_any_form(imprint, folder, tmp_path, mode, size):
    Image.new(mode, size).save(tmp_path / "odd.png")
    code, _, err = imprint("see", "conv4", "--image", "odd.png", *FAST, "--out", "run")
    assert code == 0, err


def test_an_animated_picture_counts_by_its_first(imprint, folder, tmp_path):
    frames = [Image.new("P", (16, 16), colour) for colour in (0, 1)]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    code, _, err = imprint("see", "conv4", "--image", "two.gif", *FAST, "--out", "run")
    assert code == 0, err


def test_a_grey_picture_for_a_network_of_three_colours(imprint, folder, tmp_path):
    Image.new("L", (12, 10), 90).save(tmp_path / "grey.png")
    code, out, err = imprint(
        "see", "nets.py:rgb", "--image", "grey.png", *FAST, "--out", "run", "--json"
    )
    assert code == 0, err
    result = json.loads(out)
    assert result["image_shape"] == [3, 10, 12]
    assert len(result["class_names"]) == 4  # the factory's own default


@pytest.mark.parametrize("network", ["nets.py:net", "conv4"])
def test_where_nothing_tells_the_classes_it_is_said(imprint, folder, network):
    code, out, err = imprint("see", network, "--image", "red.png", *FAST, "--out", "run")
    assert code == 0, err
    assert "No names of classes are known: its 10 answers are numbered." in out


def test_a_run_answers_with_the_classes_it_was_trained_on(imprint, folder, tmp_path):
    imprint(
        "train", folder, "--epochs", 1, "--batch-size", 8, "--device", "cpu", "--out", "trained"
    )
    folder.rename(tmp_path / "old")
    (tmp_path / "old/dog").rename(tmp_path / "old/bee")
    code, out, err = imprint("see", "trained", "--data", "old", *FAST, "--out", "run")
    assert code == 0, err
    assert "its answers are named as it was trained" in out
    result = read_json(tmp_path / "run/result.json")
    assert (result["class_names"], result["label_names"]) == (["cat", "dog"], ["bee", "cat"])


def test_broken_files_are_counted_and_listed(imprint, folder, tmp_path):
    (folder / "cat/broken.png").write_bytes(b"no image")
    code, out, err = imprint("see", "conv4", "--data", folder, *FAST, "--out", "run")
    assert code == 0, err
    assert "1 more could not be read." in out
    result = read_json(tmp_path / "run/result.json")
    assert result["images"] == 24
    assert result["unreadable_files"][0]["path"].endswith("cat/broken.png")
    assert "broken.png" in (tmp_path / "run/report.html").read_text()


def test_few_of_many_are_said_to_be_few(imprint, folder):
    code, out, err = imprint("see", "conv4", "--data", folder, "--images", 5, *FAST, "--out", "run")
    assert code == 0, err
    assert "looked at with 5 of 24 images" in out
