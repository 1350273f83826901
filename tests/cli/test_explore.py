"""`imprint explore` as its users meet it."""

import json

import numpy as np
import pytest
from PIL import Image

from imprint.cli import main  # noqa: F401 - so that a broken import shows here
from imprint.runs import read_json

FAST = ["--device", "cpu", "--batch-size", "16"]
FILES = {"config.json", "report.html", "result.json", "samples.csv"}


@pytest.fixture
def folder(tmp_path):
    draw = np.random.default_rng(0)
    for number in range(24):
        blocks = draw.integers(0, 256, (3, 3), dtype=np.uint8)
        path = tmp_path / "pets" / ("cat", "dog")[number % 2] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.kron(blocks, np.ones((4, 4), np.uint8))).save(path)
    return tmp_path / "pets"


def test_prints_a_table_and_writes_whole_files(imprint, folder, tmp_path):
    code, out, err = imprint("explore", folder, *FAST, "--out", "run")
    assert code == 0, err
    head, cat, dog, *rest = out.splitlines()
    assert head.split("  ")[0] == "class"
    assert cat.startswith("cat")
    assert dog.startswith("dog")
    assert rest[-3:] == ["run/report.html", "run/samples.csv", "run/result.json"]
    assert all(len(line) <= 80 for line in (head, cat, dog))
    assert {path.name for path in (tmp_path / "run").iterdir()} == FILES
    config = read_json(tmp_path / "run/config.json")
    assert config["command"] == "explore"
    assert config["command_line"].startswith("imprint explore ")


def test_json_alone_on_stdout(imprint, folder):
    code, out, _ = imprint("explore", folder, *FAST, "--json", "--judge", "none", "--out", "run")
    assert code == 0
    assert json.loads(out)["labels_unjudged"] == "not asked for"


def test_broken_files_are_listed_and_skipped(imprint, folder, tmp_path):
    (folder / "cat" / "broken.png").write_bytes(b"no image")
    whole = (folder / "cat" / "00.png").read_bytes()
    (folder / "dog" / "cut.png").write_bytes(whole[: len(whole) // 2])
    code, out, err = imprint("explore", folder, *FAST, "--judge", "none", "--out", "run")
    assert code == 0, err
    assert "24 images in 2 classes; 2 more could not be read." in out
    result = read_json(tmp_path / "run/result.json")
    assert result["unreadable"] == 2
    assert [broken["path"] for broken in result["unreadable_files"]] == [
        "cat/broken.png",
        "dog/cut.png",
    ]


def test_a_run_is_looked_with(imprint, folder, tmp_path):
    imprint(
        "train", folder, "--epochs", 1, "--batch-size", 8, "--device", "cpu", "--out", "trained"
    )
    code, _, err = imprint(
        "explore", folder, *FAST, "--model", "trained", "--judge", "none", "--out", "run"
    )
    assert code == 0, err
    result = read_json(tmp_path / "run/result.json")
    assert result["space"] == "signatures"
    assert result["layer"] == "block2"
    assert result["outlier_accuracy"] is not None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "data: expected a known name"),
        (["pets", "--map", "umap"], "embedding (--map): expected none, pca or tsne, got 'umap'"),
        (["pets", "--layer", "block1"], "layer: expected none without --model"),
        (["pets", "--model", "nothing"], "model: expected paper, conv4"),
        (["pets", "--model", "torch.nn:Identity"], "layer: expected --layer with --model"),
        (["pets", "--folds", "1"], "folds: expected at least 2, got 1"),
        (["pets", "--image-size", "0"], "image_size: expected at least 1 pixel"),
        (["pets", "--judge", "paper"], "at least 16 pixels a side"),
        (["empty"], "expected one folder per class, got no folder"),
    ],
)
def test_a_mistake_is_one_line(imprint, folder, tmp_path, arguments, said):
    (tmp_path / "empty").mkdir()
    code, out, err = imprint("explore", *arguments, *FAST, "--out", "run")
    assert code == 2
    assert out == ""
    assert said in err
    assert err.strip().splitlines()[-1].startswith("imprint: error: ")
    assert not (tmp_path / "run").exists()


def test_a_folder_that_holds_a_run_is_left_alone(imprint, folder, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")
    code, _, err = imprint("explore", folder, *FAST, "--out", "run")
    assert code == 2
    assert "holds another run" in err
    assert (tmp_path / "run" / "config.json").read_text() == "{}"
