"""`imprint early-exit` as its users meet it."""

import json

import numpy as np
import pytest

LOOSE = ["--max-extra-error", 0.1, "--confidence", 0.8, "--device", "cpu", "--batch-size", 64]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A data set, and a run on it."""
    from imprint.data import load
    from imprint.training import TrainSettings, train

    folder = tmp_path_factory.mktemp("early")
    draw = np.random.default_rng(0)
    for part, count in (("train", 128), ("test", 400)):
        labels = np.arange(count) % 2
        images = draw.integers(0, 120, (count, 12, 12)) + 120 * labels[:, None, None]
        np.savez(folder / f"{part}.npz", images=images.astype(np.uint8), labels=labels)
    arrays = {}
    for part in ("train", "test"):
        held = np.load(folder / f"{part}.npz")
        arrays |= {f"x_{part}": held["images"], f"y_{part}": held["labels"]}
    np.savez(folder / "lights.npz", **arrays)
    settings = TrainSettings(epochs=2, batch_size=16, device="cpu", lr=0.02)
    train(load(folder / "lights.npz"), settings, out=folder / "run")
    return folder


def test_it_writes_its_files_and_prints_where_answers_come_from(imprint, place, tmp_path):
    out = tmp_path / "out"
    code, shown, _ = imprint(
        "early-exit", place / "run", place / "lights.npz", *LOOSE, "--out", out
    )
    assert code == 0
    assert {path.name for path in out.iterdir()} == {
        "config.json",
        "exits.safetensors",
        "report.html",
        "result.json",
    }
    assert shown.splitlines()[0].split()[:2] == ["answered", "at"]
    assert "result.json" in shown
    config = json.loads((out / "config.json").read_text())
    assert (config["command"], config["max_extra_error"]) == ("early-exit", 0.1)
    result = json.loads((out / "result.json").read_text())
    assert result["full_accuracy"] > 0.9
    assert result["measured_on"] == 200


def test_json_is_alone_on_stdout(imprint, place, tmp_path):
    code, shown, _ = imprint(
        "early-exit", place / "run", place / "lights.npz", *LOOSE, "--layer", "block1",
        "--head", "probe", "--max-overhead", 0.03, "--out", tmp_path / "out", "--json",
    )  # fmt: skip
    assert code == 0
    assert json.loads(shown)["head"] == "probe"
    assert json.loads((tmp_path / "out" / "config.json").read_text())["max_overhead"] == 0.03


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--confidence", 95], "confidence: expected a value in (0, 1), got 95.0"),
        (["--max-extra-error", 0], "max_extra_error: expected a value in (0, 1), got 0.0"),
        (["--layer", "block9"], "layer: expected one of the model's, such as"),
        (["--layer", "block1.0"], None),
        (["--head", "mine"], "head: expected auto, prototype, probe, mlp, got 'mine'"),
        (["--max-extra-error", 0.001], "promise_on: expected at least"),
        (["--image-size", 16], "data: expected images (1, 12, 12)"),
        (["--device", "tpu"], "device: expected"),
        (["--max-overhead", -1], "max_overhead: expected at least 0, got -1.0"),
    ],
)
def test_mistakes_are_one_line(imprint, place, tmp_path, options, message):
    out = tmp_path / "out"
    code, _, err = imprint(
        "early-exit", place / "run", place / "lights.npz", *LOOSE, *options, "--out", out
    )
    if message is None:  # a layer of a block in a row will do
        assert code == 0
        return
    assert code == 2
    assert err.splitlines()[-1].startswith("imprint: error: ")
    assert message in err
    assert not out.exists()


def test_methods_side_by_side(imprint, place, tmp_path):
    code, shown, _ = imprint(
        "bench", "exits", place / "run", place / "lights.npz", "--methods", "imprint-probe,e2cm",
        "--layer", "block1", "--batch-size", 32, "--out", tmp_path / "out",
    )  # fmt: skip
    assert code == 0
    assert "full network:" in shown
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert [row["method"] for row in result["methods"]] == ["imprint-probe", "e2cm"]
    assert "Accuracy against time" in (tmp_path / "out" / "report.html").read_text()
    code, _, err = imprint(
        "bench", "exits", place / "run", place / "lights.npz", "--methods", "imprint-probe",
        "--batch-size", 32,
    )  # fmt: skip
    assert code == 0, err  # layers are looked for
    for options, message in (
        (["--methods", ","], "methods: expected imprint-mlp, "),
        (["--methods", "hope"], "methods: expected imprint-mlp"),
        (["--max-extra-error", 2], "max_extra_error: expected a value in (0, 1), got 2.0"),
        (["--limit", 1], "limit: expected at least 2, got 1"),
    ):
        code, _, err = imprint("bench", "exits", place / "run", place / "lights.npz", *options)
        assert code == 2
        assert message in err


def test_a_folder_that_is_no_run(imprint, place, tmp_path):
    code, _, err = imprint("early-exit", tmp_path, place / "lights.npz")
    assert code == 2
    assert "config.json, found none" in err


@pytest.mark.parametrize("change", ["fewer", "brighter"])
def test_other_images_than_the_runs_are_told(imprint, place, tmp_path, change):
    arrays = dict(np.load(place / "lights.npz"))
    changed = tmp_path / "lights.npz"
    np.savez(changed, **arrays)
    code, _, err = imprint("train", changed, "--epochs", 1, "--batch-size", 16, "--out", "own")
    assert code == 0, err
    if change == "fewer":
        arrays |= {name: arrays[name][1:] for name in ("x_train", "y_train")}
    else:
        arrays["x_train"] = arrays["x_train"] // 2 + 60
    np.savez(changed, **arrays)
    told = rf"data: expected .* 128 to train and 400 held out; got others, {len(arrays['y_train'])}"
    with pytest.warns(UserWarning, match=told):
        code, _, err = imprint("early-exit", "own", changed, *LOOSE, "--out", "out")
    assert code == 0, err


def test_a_network_is_not_asked_before_itself(imprint, place):
    code, _, err = imprint(
        "early-exit", place / "run", place / "lights.npz", *LOOSE, "--first", place / "run",
    )  # fmt: skip
    assert code == 2
    assert "first: expected another run than" in err
