"""`imprint plan-skip` as its users meet it."""

import json

import numpy as np
import pytest

from imprint.runs import read_json

FAST = ["--batch-size", "32", "--device", "cpu", "--layers", "block1,block2"]
KEYS = {
    "recommended", "reason", "predictions", "layers", "load_seconds", "load_share",
    "load_overlaps", "start_seconds", "forward_seconds", "step_seconds", "plan_seconds",
    "plan_share", "choose_seconds", "epoch_seconds", "keeps", "data", "train_images", "model",
    "keep", "dense_start", "dense_end", "epochs", "batch_size", "optimizer", "precision", "device",
    "seed", "augment", "augmentations", "threads", "versions",
}  # fmt: skip


@pytest.fixture
def npz(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (256, 12, 12), dtype=np.uint8)
    labels = np.arange(256) % 3
    np.savez(path := tmp_path / "noise.npz", x=pixels, y=labels)
    return str(path)


def test_prints_a_table_and_writes_whole_files(imprint, npz, tmp_path):
    code, out, err = imprint("plan-skip", "conv4", npz, *FAST, "--out", "run")
    assert code == 0, err
    head, plan, first, second, *rest = out.splitlines()
    assert head.startswith("plan, or gate at")
    assert "keep 0.3" in head
    assert plan.startswith("plan")
    assert first.startswith("block1")
    assert second.startswith("block2")
    assert rest[-1] == "run/result.json"
    assert all(len(line) <= 80 for line in out.splitlines() if not line.startswith("try: "))
    result = read_json(tmp_path / "run/result.json")
    assert result.keys() == KEYS
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"config.json", "result.json"}
    config = read_json(tmp_path / "run/config.json")
    assert config["command"] == "plan-skip"
    assert config["layers"] == ["block1", "block2"]
    assert config["command_line"].startswith("imprint plan-skip conv4")


def test_the_command_to_try_is_one(imprint, npz):
    code, out, _ = imprint("plan-skip", "conv4", npz, *FAST, "--keeps", "0.4", "--epochs", "9")
    (line,) = [line for line in out.splitlines() if line.startswith("try: imprint train ")]
    assert code == 0
    assert f"train {npz} --compare --model conv4 --tier plan --keep 0.4 --epochs 9" in line


def test_the_command_has_what_was_predicted_for(imprint, npz):
    more = ["--optimizer", "adamw", "--dense-start", "0.0", "--no-augment", "--test-share", "0.3"]
    _, out, _ = imprint("plan-skip", "conv4", npz, *FAST, "--keeps", "0.4", *more)
    (line,) = [line for line in out.splitlines() if line.startswith("try: imprint train ")]
    for option in ("--optimizer adamw", "--dense-start 0.0", "--no-augment", "--test-share 0.3"):
        assert option in line
    assert "--image-size" not in line


def test_the_command_names_the_augmentations_that_were_asked_for(imprint, npz):
    more = ["--augmentations", "flip,mask"]
    _, out, _ = imprint("plan-skip", "conv4", npz, *FAST, "--keeps", "0.4", *more)
    (line,) = [line for line in out.splitlines() if line.startswith("try: imprint train ")]
    assert "--augmentations flip,mask" in line


def test_prints_json_alone(imprint, npz):
    code, out, _ = imprint("plan-skip", "conv4", npz, *FAST, "--keeps", "0.5,0.25", "--json")
    result = json.loads(out)
    assert code == 0
    assert result["keeps"] == [0.25, 0.5]
    assert len(result["predictions"]) == 3 * 2


def test_a_network_of_ones_own(imprint, npz, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n"
        "def build(num_classes):\n"
        "    print('building')\n"
        "    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(200, num_classes))\n"
    )
    options = ["--batch-size", "32", "--device", "cpu", "--json"]
    code, out, err = imprint("plan-skip", "mine.py:build", npz, *options)
    assert code == 0, err
    assert [row["layer"] for row in json.loads(out)["layers"]] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--keeps", "0.5,half"], "keeps: expected shares in (0, 1], with commas between, got"),
        (["--keeps", "1.5"], "keeps: expected shares in (0, 1), got 1.5"),
        (["--layers", "block9"], "layer: expected one of the model's, such as block"),
        (["--batch-size", "200"], "batch_size: expected 1 … 62, the samples that an epoch keeps"),
        (["--batch-size", "0"], "batch_size: expected a value of at least 1"),
        (["--device", "tpu"], "device: expected one of auto, cpu, cuda, mps"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(imprint, npz, tmp_path, options, said):
    code, out, err = imprint("plan-skip", "conv4", npz, *FAST, *options, "--out", "run")
    assert (code, out) == (2, "")
    assert err.startswith(f"imprint: error: {said}")
    assert err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_folder_that_holds_a_run_is_kept_before_any_work(imprint, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.json").write_text("{}")
    code, _, err = imprint("plan-skip", "conv4", "missing.npz", *FAST, "--out", "run")
    assert code == 2
    assert "holds another run" in err


def test_writes_to_a_new_folder_by_default(imprint, npz, tmp_path):
    assert imprint("plan-skip", "conv4", npz, *FAST)[0] == 0
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("plan-skip-")
