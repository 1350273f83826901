"""`imprint bench exits` as its users meet it."""

import json

import pytest

FEW = ["--methods", "imprint-mlp,park-kim", "--layer", "block1", "--batch-size", 64]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A data set of dark and light images, a run on it, and runs of other networks."""
    import numpy as np

    from imprint.data import load
    from imprint.training import TrainSettings, train

    folder = tmp_path_factory.mktemp("bench-exits")
    draw = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 128), ("test", 400)):
        labels = np.arange(count) % 2
        images = draw.integers(0, 120, (count, 16, 16)) + 120 * labels[:, None, None]
        arrays |= {f"x_{part}": images.astype(np.uint8), f"y_{part}": labels}
    np.savez(folder / "lights.npz", **arrays)
    np.savez(folder / "others.npz", **arrays | {"x_train": 255 - arrays["x_train"] // 2})
    for model, data in (("conv4", "lights"), ("paper", "lights"), ("conv4", "others")):
        settings = TrainSettings(model=model, epochs=1, batch_size=16, device="cpu", lr=0.02)
        train(load(folder / f"{data}.npz"), settings, out=folder / f"{model}-{data}")
    return folder


def test_methods_and_a_smaller_network_stand_side_by_side(imprint, place, tmp_path):
    code, shown, _ = imprint(
        "bench", "exits", place / "conv4-lights", place / "lights.npz", *FEW,
        "--smaller", place / "paper-lights", "--out", tmp_path / "out",
    )  # fmt: skip
    assert code == 0
    assert all(len(line) <= 80 for line in shown.splitlines()[:-2])
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert [row["method"] for row in result["methods"]] == [
        "imprint-mlp", "park-kim", "paper-lights, then imprint-mlp", "paper-lights's confidence"
    ]  # fmt: skip
    (smaller,) = result["smaller"]
    assert smaller["network"] == "paper-lights"
    assert smaller["accuracy"] > 0.9
    for row in [smaller, *(own["at_limit"] for own in result["methods"] if own["at_limit"])]:
        assert 0 < row["measured_low"] <= row["measured_time"] <= row["measured_high"]
    assert "paper-lights" in shown
    assert "paper-lights" in (tmp_path / "out" / "report.html").read_text()


def test_a_network_of_other_images_is_no_smaller_one(imprint, place, tmp_path):
    code, _, told = imprint(
        "bench", "exits", place / "conv4-lights", place / "lights.npz", *FEW,
        "--smaller", place / "conv4-others", "--out", tmp_path / "out",
    )  # fmt: skip
    assert code == 2
    assert "smaller: expected normalisation" in told.replace("\n", " ")
    assert not (tmp_path / "out").exists()


def test_smaller_networks_of_one_name_are_told(imprint, place, tmp_path):
    twice = ["--smaller", place / "paper-lights", "--smaller", place / "paper-lights"]
    code, _, told = imprint(
        "bench", "exits", place / "conv4-lights", place / "lights.npz", *FEW, *twice,
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert code == 2
    assert "smaller: expected folders of different names, got 'paper-lights'" in " ".join(
        told.split()
    )
