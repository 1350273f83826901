"""`imprint train --on-maps`, `--freeze-to` and `--from` as their users meet them."""

import json

import numpy as np
import pytest

from imprint.runs import read_json

FAST = ["--epochs", "2", "--batch-size", "32", "--device", "cpu", "--optimizer", "adamw"]


@pytest.fixture(scope="module")
def npz(tmp_path_factory):
    generator = np.random.default_rng(0)
    labels = np.arange(256) % 3
    pixels = generator.integers(0, 60, (256, 16, 16), dtype=np.uint8)
    pixels[np.arange(256), :, labels * 4 + 2] = 255
    path = tmp_path_factory.mktemp("data") / "bars.npz"
    np.savez(path, x=pixels, y=labels)  # no test part: it is drawn
    return str(path)


@pytest.fixture
def base(imprint, npz):
    code, _, _ = imprint("train", npz, "--model", "paper", *FAST, "--seed", 3, "--out", "base")
    assert code == 0
    return "base"


def test_on_maps_beside_its_base(imprint, npz, base, tmp_path):
    code, out, err = imprint(
        "train", npz, "--on-maps", base, "--layer", "conv1", "--form", "each", *FAST,
        "--skip", "imprint", "--out", "maps",
    )  # fmt: skip
    assert code == 0
    assert "maps of the train part: 20" in err
    lines = [line.split() for line in out.splitlines()]
    assert ["network", "test", "images", "test", "maps"] in lines
    assert any(line[:1] == ["base"] for line in lines)
    result = read_json(tmp_path / "maps" / "result.json")
    assert result["model"] == "paper"
    assert (
        result["base_test_accuracy"] == read_json(tmp_path / base / "result.json")["test_accuracy"]
    )
    page = (tmp_path / "maps" / "report.html").read_text()
    assert "Beside the base" in page
    assert "Trained on 2,0" in page


def test_the_split_is_the_bases_whatever_the_seed(imprint, npz, base, tmp_path):
    for seed in (3, 9):
        out = f"maps-{seed}"
        code, _, _ = imprint("train", npz, "--on-maps", base, *FAST, "--seed", seed, "--out", out)
        assert code == 0
    assert len(list((tmp_path / base / "maps").iterdir())) == 1  # the same images: one store


@pytest.mark.parametrize("option", [["--on-maps"], ["--freeze-to", "relu1", "--from"]])
def test_its_test_images_are_those_that_later_commands_test_on(
    imprint, npz, base, option, tmp_path
):
    code, _, err = imprint("train", npz, *option, base, *FAST, "--test-share", 0.5, "--out", "next")
    assert code == 0, err
    told = read_json(tmp_path / "next" / "config.json")
    assert (told["seed"], told["split_seed"], told["test_share"]) == (0, 3, 0.2)
    code, out, err = imprint("attack", "next", npz, "--on", base, "--epsilon", 0, "--json")
    assert code == 0, err
    for row, run in zip(json.loads(out)["networks"], ("next", base), strict=True):
        result = read_json(tmp_path / run / "result.json")
        assert row["clean_accuracy"] == result["test_accuracy"]
    code, _, err = imprint("train", npz, "--from", "next", *FAST, "--out", "last")
    assert code == 0, err
    assert read_json(tmp_path / "last" / "config.json")["split_seed"] == 3
    assert imprint("train", "--out", "next", "--resume")[0] == 0


def test_a_run_on_maps_is_resumed_by_its_folder_alone(imprint, npz, base, tmp_path):
    options = ["--on-maps", base, "--form", "energy", "--normalised", "--store", "s"]
    code, _, _ = imprint("train", npz, *options, *FAST, "--out", "maps")
    assert code == 0
    (tmp_path / "maps" / "result.json").unlink()
    code, _, err = imprint("train", npz, "--resume", "--out", "maps")
    assert (code, err.count("error")) == (0, 0)
    result = read_json(tmp_path / "maps" / "result.json")
    assert (result["form"], result["normalised"], result["on_maps"]) == ("energy", True, base)


def test_json_holds_both(imprint, npz, base):
    code, out, _ = imprint("train", npz, "--on-maps", base, *FAST, "--json")
    assert code == 0
    assert {"base_test_maps_accuracy", "test_maps_accuracy"} <= json.loads(out).keys()


def test_freezing_from_a_run(imprint, npz, base, tmp_path):
    options = ["--from", base, "--freeze-to", "relu1", *FAST, "--out", "frozen"]
    code, out, err = imprint("train", npz, *options)
    assert code == 0
    assert "maps of the train part" in err
    assert "plain" in out
    assert read_json(tmp_path / "frozen" / "config.json")["start_from"] == base
    assert read_json(tmp_path / "frozen" / "result.json")["model"] == "paper"
    assert not (tmp_path / "frozen" / "prefix").exists()
    (tmp_path / "frozen" / "result.json").unlink()
    code, _, _ = imprint("train", npz, "--resume", "--out", "frozen")
    assert code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--on-maps", "nowhere"], "expected a file nowhere/config.json, found none"),
        (
            ["--on-maps", "base", "--model", "conv4"],
            "model: expected paper, as the run in base has",
        ),
        (["--on-maps", "base", "--layer", ""], "layer: expected one of the model's"),
        (["--on-maps", "base", "--layer", "linear1"], "layer 'linear1': expected maps"),
        (["--on-maps", "base", "--layer", "linear2"], "layer 'linear2': expected one that an"),
        (["--on-maps", "base", "--form", "sum"], "form: expected one of each, mean, energy"),
        (["--on-maps", "base", "--stage", "after"], "stage: expected before-activation or after"),
        (["--on-maps", "base", "--init", "zero"], "init: expected base or fresh, got 'zero'"),
        (
            ["--on-maps", "base", "--freeze-to", "conv1"],
            "freeze-to: expected none beside --on-maps",
        ),
        (["--on-maps", "base", "--from", "base"], "from: expected none beside --on-maps, got base"),
        (["--form", "mean"], "form: expected --on-maps beside it, got none"),
        (["--store", "s"], "store: expected --on-maps or --freeze-to beside it, got none"),
        (["--from", "nowhere"], "expected a file nowhere/config.json, found none"),
        (["--from", "base", "--model", "conv4"], "model: expected paper, as the run in base has"),
        (["--freeze-to", "nope"], "layer: expected one of the model's"),
    ],
)
def test_mistakes_are_one_line(imprint, npz, base, options, message, tmp_path):
    code, out, err = imprint("train", npz, *options, *FAST, "--out", "run")
    assert (code, out) == (2, "")
    assert err.startswith("imprint: error: ")
    assert err.count("\n") == 1
    assert message in err
    assert not (tmp_path / "run").exists()


def test_a_store_among_the_data_is_refused(imprint, base, tmp_path):
    data = tmp_path / "pets"
    (data / "cat").mkdir(parents=True)
    code, _, err = imprint("train", str(data), "--on-maps", base, "--store", str(data / "maps"))
    assert code == 2
    assert f"store: expected a folder outside the data {data}, got {data / 'maps'}" in err
    assert not (data / "maps").exists()
