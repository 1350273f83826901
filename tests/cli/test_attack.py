"""`imprint attack` as its users meet it."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from imprint.runs import read_json

FAST = ["--device", "cpu", "--batch-size", "16"]
FILES = {"config.json", "report.html", "result.json"}
TRAIN = ["--epochs", 2, "--batch-size", 8, "--device", "cpu", "--lr", 0.02]
OWN = """
from torch import nn

class Chosen(nn.Sequential):
    def forward(self, images):
        logits = super().forward(images)
        if self.training:
            return logits
        return nn.functional.one_hot(logits.argmax(1), logits.shape[1]).float()

def hard(num_classes):
    return Chosen(nn.Flatten(), nn.Linear(144, num_classes))

def soft(num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(144, num_classes))
"""


def write_images(folder, names, side=12):
    draw = np.random.default_rng(0)
    for number in range(24):
        blocks = draw.integers(0, 200, (side // 4, side // 4), dtype=np.uint8)
        blocks[0, 0] = 250 * (number % 2)
        path = folder / names[number % 2] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.kron(blocks, np.ones((4, 4), np.uint8))).save(path)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs on the same pictures, made once: `a`, `own` of another kind, `hard`, `late`, `big`."""
    from imprint.data import load
    from imprint.training import TrainSettings, train

    folder = tmp_path_factory.mktemp("attacked")
    write_images(folder / "pets", ("cat", "dog"))
    write_images(folder / "cars", ("bus", "van"))
    (folder / "nets.py").write_text(OWN)
    settings = {"epochs": 2, "batch_size": 8, "device": "cpu", "lr": 0.02}
    models = {"a": "conv4", "own": f"{folder}/nets.py:soft", "hard": f"{folder}/nets.py:hard"}
    for name, model in models.items():
        train(load(folder / "pets"), TrainSettings(model=model, **settings), out=folder / name)
    train(load(folder / "pets", seed=1), TrainSettings(seed=1, **settings), out=folder / "late")
    big = load(folder / "pets", image_size=16)
    train(big, TrainSettings(**settings), out=folder / "big", note={"image_size": 16})
    return folder


@pytest.fixture
def here(runs, tmp_path):
    for name in ("pets", "cars", "a", "own", "hard", "late", "big"):
        (tmp_path / name).symlink_to(runs / name)
    return tmp_path


def test_prints_a_table_and_writes_whole_files(imprint, here):
    code, out, err = imprint(
        "attack", "a", "pets", "--on", "own", "--epsilon", 0, 0.1, *FAST,
        "--out", "run",
    )  # fmt: skip
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0].split() == ["made", "on", "judged", "on", "0", "0.1"]
    assert [line.split()[:2] for line in lines[1:7]] == [
        ["a", "a"], ["a", "own"], ["own", "a"], ["own", "own"], ["noise", "a"], ["noise", "own"],
    ]  # fmt: skip
    assert lines[-2:] == ["run/report.html", "run/result.json"]
    assert {path.name for path in (here / "run").iterdir()} == FILES
    config = read_json(here / "run/config.json")
    assert config["runs"] == ["a", "own"]
    assert config["command_line"].startswith("imprint attack a pets --on own")
    assert "epsilon 0.1    made on a, judged on own: " in err


def test_networks_of_long_names_can_be_told_apart(imprint, here, monkeypatch):
    names = [f"train-2026-11-28-10492{number}-network" for number in (8, 9)]
    for name in names:
        (here / name).symlink_to((here / "a").resolve())
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    code, out, err = imprint("attack", names[0], "pets", "--on", names[1], *FAST, "--out", "run")
    assert code == 0, err
    assert "…" not in out


def test_epsilon_zero_is_what_training_tested_to_the_image(imprint, here):
    for run in ("a", "own", "big"):
        code, out, err = imprint(
            "attack", run, "pets", "--epsilon", 0, *FAST, "--json", "--out", f"{run}-run"
        )
        assert code == 0, err
        accuracy = json.loads(out)["accuracy"][0]["accuracy"]
        assert accuracy == read_json(here / run / "result.json")["test_accuracy"]


def test_json_alone_on_stdout(imprint, here):
    code, out, err = imprint(
        "attack", "a", "pets", "--attack", "pgd", "--steps", 2, "--step-size", 0.05, "--seed", 3,
        "--loss", "log-odds", "--epsilon", 0.1, "--limit", 3, *FAST, "--json", "--out", "run",
    )  # fmt: skip
    assert code == 0, err
    result = json.loads(out)
    assert (result["attack"], result["steps"], result["step_size"]) == ("pgd", 2, 0.05)
    assert (result["loss"], result["seed"], result["images"]) == ("log-odds", 3, 3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a", "pets", "--epsilon", "-0.1"], "epsilon: expected a size in [0, 1]"),
        (["a", "pets", "--epsilon", "8"], "epsilon: expected a size in [0, 1]"),
        (["a", "pets", "--epsilon", "nan"], "epsilon: expected a size in [0, 1]"),
        (["a", "pets", "--epsilon", "x"], "Invalid value for '--epsilon'"),
        (["a", "pets", "--epsilon", "0.1", "--epsilon", "0.10"], "got 0.1 twice"),
        (["a", "pets", "--attack", "magic"], "attack: expected fgsm or pgd, got 'magic'"),
        (["a", "pets", "--loss", "magic"], "loss: expected cross-entropy or log-odds"),
        (["a", "pets", "--steps", "3"], "steps: expected none with fgsm"),
        (["a", "pets", "--attack", "pgd", "--steps", "0"], "steps: expected at least 1"),
        (["a", "pets", "--limit", "0"], "limit: expected at least 1"),
        (["a", "pets", "--on", "a"], "on: expected each run once, got a twice"),
        (["a", "pets", "--on", "a/"], "on: expected each run once, got a twice"),
        (["nowhere", "pets"], "expected a file nowhere/config.json, found none"),
        (["a", "pets", "--on", "nowhere"], "expected a file nowhere/config.json, found none"),
        (["pets", "pets"], "expected a file pets/config.json, found none"),
        (["a", "nowhere"], "data: expected a known name"),
        (["a", "cars"], "data: expected the 2 classes of the run in a (cat, dog), got 2 (bus"),
        (["a", "mnist"], "data: expected images (1, 12, 12), which the run in a was"),
        (["a", "pets", "--on", "big"], "data: expected images (1, 16, 16), which the run in big"),
        (["a", "pets", "--on", "late"], "on: expected runs that hold out the same images"),
        (["hard", "pets"], "hard: model: expected logits with a gradient to its input, got none"),
        (["a", "pets", "--image-size", "20"], "data: expected images (1, 12, 12)"),
        (["a", "pets", "--image-size", "0"], "image_size: expected at least 1 pixel, got 0"),
        (["a", "pets", "--seed", str(2**63)], "seed: expected at most 2^63 - 1, got 9"),
        (["a", "empty"], "expected one folder per class, got no folder"),
    ],
)
def test_a_mistake_is_one_line(imprint, here, arguments, said):
    (here / "empty").mkdir()
    code, out, err = imprint("attack", *arguments, *FAST, "--out", "run")
    assert code == 2
    assert out == ""
    assert said in err
    assert err.strip().splitlines()[-1].startswith("imprint: error: ")
    assert not (here / "run").exists()


def test_an_empty_test_part_is_named(imprint, here):
    shutil.copytree(here / "pets", here / "split" / "train")
    for name in ("cat", "dog"):
        (here / "split" / "test" / name).mkdir(parents=True)
    code, _, err = imprint("attack", "a", "split", *FAST, "--out", "run")
    assert code == 2
    assert "imprint: error: " in err
    assert not (here / "run").exists()
