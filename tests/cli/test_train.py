"""`imprint train` as its users meet it."""

import builtins
import json
import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from imprint.cli import app, main
from imprint.data import load
from imprint.data.idx import IDX_FILES
from imprint.runs import read_json, read_tensors
from imprint.training import TrainSettings, train

FAST = ["--model", "conv4", "--epochs", "2", "--batch-size", "32", "--device", "cpu", "--lr", "0.1"]


@pytest.fixture
def npz(tmp_path):
    return make_npz(tmp_path / "bars.npz")


def make_npz(path, pixels=None, labels=None, n=256):
    generator = np.random.default_rng(0)
    labels = np.arange(n) % 3 if labels is None else labels
    if pixels is None:
        pixels = generator.integers(0, 60, (len(labels), 12, 12), dtype=np.uint8)
        pixels[np.arange(len(labels)), :, np.arange(len(labels)) % 3 * 4] = 255
    np.savez(path, x_train=pixels, y_train=labels, x_test=pixels[:96], y_test=labels[:96])
    return str(path)


def command(*arguments):
    return [sys.executable, "-m", "imprint.cli", "train", *map(str, arguments)]


def weights(folder, name="model.safetensors"):
    return read_tensors(folder / name)[0]


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


RUN_KEYS = {
    "test_accuracy", "train_seconds", "images_seen", "images_trained", "images_skipped", "epochs",
    "parameters", "model", "data", "skip", "keep", "seed", "device", "versions", "hits",
}  # fmt: skip
EPOCH_KEYS = {
    "epoch", "test_accuracy", "train_seconds", "images_seen", "images_trained", "images_skipped",
    "hits",
}  # fmt: skip


def test_prints_a_table_and_writes_whole_files(imprint, npz, tmp_path):
    code, out, err = imprint("train", npz, *FAST, "--skip", "imprint", "--out", "run")
    assert code == 0, err
    assert "accuracy" in out
    assert "time saved" not in out
    assert "run/report.html" in out
    assert max(len(line) for line in out.splitlines()) <= 80
    assert err.count("epoch") == 2  # a line an epoch, where there is no terminal
    result = read_json(tmp_path / "run/result.json")
    assert result.keys() >= RUN_KEYS
    assert all(row.keys() >= EPOCH_KEYS for row in result["epochs"])
    assert {p.name for p in (tmp_path / "run").iterdir()} == {
        "config.json", "result.json", "report.html", "model.safetensors",
    }  # fmt: skip


def test_compares_and_prints_json_alone(imprint, npz):
    code, out, _ = imprint("train", npz, *FAST, "--compare", "--json", "--out", "run")
    result = json.loads(out)
    assert code == 0
    assert result["plain"].keys() >= RUN_KEYS <= result["skip"].keys()
    assert {"time_saved", "accuracy_difference"} <= result.keys()
    assert (result["plain"]["skip"], result["skip"]["skip"]) == ("none", "imprint")


def test_a_comparison_ends_in_a_table(imprint, npz, tmp_path):
    code, out, _ = imprint("train", npz, *FAST, "--compare", "--out", "run")
    head, plain, skipping, said = out.splitlines()[:4]
    assert code == 0
    for name in ("accuracy", "images trained", "seconds", "time saved"):
        assert name in head
    assert plain.startswith("plain ")
    assert skipping.startswith("imprint ")
    saved = read_json(tmp_path / "run/result.json")["time_saved"]
    assert skipping.rstrip().endswith(f"{saved:.1%}")
    assert f"{abs(saved):.1%}" in said
    assert max(len(line) for line in out.splitlines()) <= 80


def test_writes_to_a_new_folder_by_default(imprint, npz, tmp_path):
    assert imprint("train", npz, *FAST)[0] == 0
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("train-")


@pytest.mark.parametrize("reading", ["text", "formula"])
def test_the_papers_rule_in_both_readings(imprint, npz, reading):
    code, out, _ = imprint(
        "train",
        npz,
        *FAST,
        "--skip",
        "paper",
        "--threshold-reading",
        reading,
        "--json",
        "--out",
        "r",
    )
    assert code == 0
    assert json.loads(out)["threshold_reading"] == reading


def test_help_and_version(imprint):
    assert imprint("--version")[1].startswith("imprint ")
    code, out, _ = imprint("train", "--help")
    assert code == 0
    for option in (
        "model", "layer", "skip", "keep", "epochs", "batch-size", "optimizer", "lr", "schedule",
        "precision", "device", "seed", "target", "compare", "resume", "out", "threshold-reading",
    ):  # fmt: skip
        assert f"--{option}" in out


def check_fails(result, *parts):
    code, out, err = result
    assert code == 2
    assert out == ""
    line = err.strip().splitlines()[-1]
    assert line.startswith("imprint: error: ")
    assert "Traceback" not in err
    for part in parts:
        assert part in line


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--layer", "blokc1", "--skip", "imprint"], ["layer", "blokc1", "block1"]),
        (["--skip", "cosine", "--tier", "plan"], ["tier", "gate", "cosine", "plan"]),
        (["--skip", "imprint", "--batch-size", "200"], ["batch_size", "128", "200"]),
        (["--keep", "0"], ["keep", "(0, 1]", "0"]),
        (["--keep", "1.5"], ["keep", "1.5"]),
        (["--keep", "half"], ["keep", "number"]),
        (["--batch-size", "5000"], ["batch_size", "256", "5000"]),
        (["--model", "resnet99"], ["model", "resnet99"]),
        (["--model", "nowhere.py:build"], ["nowhere.py"]),
        (["--skip", "magic"], ["skip", "magic"]),
        (["--precision", "16"], ["precision", "16"]),
        (["--resume"], ["resume", "--out"]),
        (["--resume", "--out", "nowhere"], ["nowhere"]),
        (["--no-such-option"], ["no-such-option"]),
        (["--out", "bars.npz/run"], ["bars.npz"]),
        (["--out", "/sys/run"], ["/sys/run"]),  # not even root may write there
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(imprint, npz, tmp_path, options, parts):
    before = sorted(tmp_path.rglob("*"))
    check_fails(imprint("train", npz, *FAST, *options), *parts)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_cuda_where_there_is_none(imprint, npz):
    check_fails(imprint("train", npz, *FAST, "--device", "cuda"), "device", "cuda", "cpu")


def test_a_model_of_the_wrong_number_of_classes(imprint, npz, tmp_path):
    (tmp_path / "net.py").write_text(
        "from torch import nn\ndef build(): return nn.Sequential(nn.Flatten(), nn.Linear(144, 5))\n"
    )
    check_fails(imprint("train", npz, *FAST, "--model", "net.py:build"), "(2, 3)", "(2, 5)")


def test_a_users_model_needs_a_layer_for_a_gate_and_none_for_a_plan(imprint, npz, tmp_path):
    (tmp_path / "net.py").write_text(
        "from torch import nn\ndef build(): return nn.Sequential(nn.Flatten(), nn.Linear(144, 3))\n"
    )
    mine = ["train", npz, *FAST, "--model", "net.py:build", "--compare"]
    check_fails(imprint(*mine, "--tier", "gate"), "--layer")
    assert imprint(*mine, "--tier", "gate", "--layer", "1", "--out", "gate")[0] == 0
    assert imprint(*mine, "--layer", "1", "--out", "tapped")[0] == 0
    assert imprint(*mine, "--out", "planned")[0] == 0
    results = {n: read_json(tmp_path / n / "result.json") for n in ("gate", "tapped", "planned")}
    assert [run["skip"]["tier"] for run in results.values()] == ["gate", "plan", "plan"]
    assert [run["skip"]["layer"] for run in results.values()] == ["1", "1", None]
    assert results["planned"]["skip"]["similarity"] is None
    for file in ("model.safetensors", "model-plain.safetensors"):
        assert same(weights(tmp_path / "tapped", file), weights(tmp_path / "planned", file))


def bad_folder(tmp_path, kind):
    root = tmp_path / "images"
    for name in ("a", "b")[: 1 if kind == "one class" else 2]:
        (root / name).mkdir(parents=True)
        for i in range(10):
            Image.new("L", (12, 12), i * 20).save(root / name / f"{i}.png")
    if kind == "empty class":
        (root / "c").mkdir()
    if kind == "unreadable":
        (root / "b" / "broken.png").write_bytes(b"\x89PNG not really")
    return root


@pytest.mark.parametrize(
    ("kind", "part"), [("empty class", "c"), ("one class", "class"), ("unreadable", "broken.png")]
)
def test_a_folder_that_will_not_do(imprint, tmp_path, kind, part):
    check_fails(imprint("train", bad_folder(tmp_path, kind), *FAST), part)


def test_arrays_that_will_not_do(imprint, tmp_path):
    pixels = np.zeros((256, 12, 12), np.float32)
    pixels[7, 3, 3] = np.nan
    check_fails(imprint("train", make_npz(tmp_path / "nan.npz", pixels), *FAST), "7")
    check_fails(
        imprint("train", make_npz(tmp_path / "one.npz", labels=np.zeros(256, int)), *FAST), "class"
    )


def test_labels_that_training_does_not_have(imprint, npz):
    arrays = dict(np.load(npz))
    np.savez("seven.npz", **{**arrays, "y_test": arrays["y_test"] + 4})
    check_fails(imprint("train", "seven.npz", *FAST), "labels", "training classes", "[4, 5, 6]")


def test_files_that_were_cut_off(imprint, npz, tmp_path):
    path = tmp_path / "bars.npz"
    path.write_bytes(path.read_bytes()[:-2000])
    check_fails(imprint("train", path, *FAST), "bars.npz")
    table = pa.table({"image": [{"bytes": b"x" * 500, "path": ""}] * 9, "label": [0, 1, 2] * 3})
    pq.write_table(table, tmp_path / "train.parquet")
    whole = (tmp_path / "train.parquet").read_bytes()
    (tmp_path / "train.parquet").write_bytes(whole[:-20])
    check_fails(imprint("train", "train.parquet", *FAST), "train.parquet")
    (tmp_path / "idx").mkdir()
    for name in IDX_FILES:
        (tmp_path / "idx" / name).write_bytes(b"\0\0\x08\1\0\0\0\x09short")
    check_fails(imprint("train", "idx", *FAST), "idx")


def test_without_a_network(imprint, monkeypatch, tmp_path):
    monkeypatch.delenv("IMPRINT_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    check_fails(imprint("train", "cifar10", *FAST), "cifar10", "IMPRINT_DATA", "cache", "127.0.0.1")


def test_a_data_set_that_is_not_there(imprint):
    check_fails(imprint("train", "nowhere", *FAST), "nowhere", "mnist")


def test_an_out_that_holds_another_run(imprint, npz, tmp_path):
    assert imprint("train", npz, *FAST, "--out", "run")[0] == 0
    before = {p: p.read_bytes() for p in (tmp_path / "run").iterdir()}
    check_fails(imprint("train", npz, *FAST, "--out", "run"), "run", "--resume")
    check_fails(imprint("train", npz, "--out", "run", "--resume", "--seed", "3"), "seed", "0", "3")
    assert {p: p.read_bytes() for p in (tmp_path / "run").iterdir()} == before
    assert imprint("train", "--out", "run", "--resume")[0] == 0  # nothing left to do


def test_a_full_disk_keeps_the_last_checkpoint(imprint, npz, tmp_path):
    """A limit on the size of a file stands for the disk: the config fits, the checkpoint not."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, usual[1]))
    try:
        code, _, err = imprint("train", npz, *FAST, "--out", "run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert code == 2
    assert err.strip().splitlines()[-1].startswith("imprint: error: ")
    assert "Traceback" not in err
    left = {path.name for path in (tmp_path / "run").iterdir()} - {"progress.json"}
    assert left == {"config.json"}


LONG = [*FAST[:2], "--epochs", "20", *FAST[4:], "--compare"]


def begin(*arguments):
    """A run in a process of its own, on one thread as here, which heeds Ctrl-C as in a shell."""
    return subprocess.Popen(
        command(*arguments),
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - jobs ignore it
    )


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)


def test_a_run_that_is_killed_and_then_stopped_resumes_to_the_bit(imprint, npz, tmp_path):
    run = tmp_path / "run"
    killed = begin(npz, *LONG, "--out", run)
    wait_for(run / "checkpoint-plain.safetensors", killed)
    killed.kill()
    killed.communicate()
    assert not (run / "result.json").exists()
    (run / "checkpoint-skip.safetensors").unlink(missing_ok=True)  # had the kill come late

    stopped = begin("--out", run, "--resume")
    wait_for(run / "checkpoint-skip.safetensors", stopped)
    stopped.send_signal(signal.SIGINT)
    _, err = stopped.communicate(timeout=60)
    assert stopped.returncode == 130
    assert "Traceback" not in err
    assert "--resume" in err
    assert (run / "checkpoint-skip.safetensors").exists()
    assert not (run / "result.json").exists()

    assert imprint("train", "--out", "run", "--resume")[0] == 0
    assert imprint("train", npz, *LONG, "--out", "undisturbed")[0] == 0
    for file in ("model.safetensors", "model-plain.safetensors"):
        assert same(weights(run, file), weights(tmp_path / "undisturbed", file))


def test_alone_it_shows_its_help_and_no_error(imprint):
    code, out, err = imprint()
    assert code == 2
    assert "train" in out + err
    assert "error" not in out + err


def test_finishes_what_python_began(imprint, npz, tmp_path):
    settings = TrainSettings(epochs=2, batch_size=32, device="cpu", lr=0.1)
    steps = []

    def interrupt(step):
        steps.append(step)
        if len(steps) == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(load(npz), settings, out=tmp_path / "run", on_step=interrupt)
    assert imprint("train", npz, "--out", "run", "--resume")[0] == 0
    assert (tmp_path / "run/report.html").exists()


def test_what_was_read_may_not_change_on_resume(imprint, npz):
    assert imprint("train", npz, *FAST, "--out", "run")[0] == 0
    again = imprint("train", npz, "--out", "run", "--resume", "--image-size", "16")
    check_fails(again, "image_size", "None", "16")


def test_json_stands_alone_whatever_a_network_prints(imprint, npz, tmp_path):
    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "def build():\n"
        "    print('hello')\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(144, 3))\n"
    )
    code, out, err = imprint("train", npz, *FAST, "--model", "net.py:build", "--json")
    assert code == 0
    assert json.loads(out)["model"] == "net.py:build"
    assert "hello" in err


def test_a_config_that_is_no_runs_is_named(imprint, npz, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.json").write_text("{}")
    check_fails(
        imprint("train", npz, "--out", "run", "--resume"), "config.json", "settings", "model"
    )


def test_ctrl_c_is_heard_while_the_command_is_loaded(monkeypatch):
    def interrupted(name, *rest, **given):
        if name == "imprint.cli.app":
            raise KeyboardInterrupt
        return load_module(name, *rest, **given)

    load_module = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", interrupted)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 130


@pytest.mark.parametrize(
    ("command", "resumes"), [("train", True), ("bench", True), ("plan-skip", False)]
)
def test_ctrl_c_names_resume_where_there_is_one(monkeypatch, capsys, command, resumes):
    monkeypatch.setattr(app, "app", lambda **_: 130)
    monkeypatch.setattr(sys, "argv", ["imprint", command])
    with pytest.raises(SystemExit) as end:
        app.main()
    said = capsys.readouterr().err
    assert end.value.code == 130
    assert said.startswith("imprint: interrupted")
    assert ("--resume" in said) == resumes


def test_a_layer_freezes_on_the_way_and_a_resumed_run_knows(imprint, npz, tmp_path):
    options = ["--freeze-after", "block1=0.25", "--freeze-after", "block2=0.5", "--out", "frozen"]
    assert imprint("train", npz, *FAST, *options)[0] == 0
    assert read_json(tmp_path / "frozen" / "config.json")["freeze_after"] == {
        "block1": 0.25,
        "block2": 0.5,
    }
    (tmp_path / "frozen" / "result.json").unlink()
    assert imprint("train", "--resume", "--out", "frozen")[0] == 0
    assert "block1" in (tmp_path / "frozen" / "report.html").read_text()
    for told, message in (
        ("0.5", "freeze_after: expected LAYER=SHARE, such as block1=0.25; got '0.5'"),
        ("block1=2", "layer 'block1': expected a share in [0, 1], got 2.0"),
        ("block1=0.6", "at most 0.5, where the last of 2 epochs begins; got 0.6"),
        ("blck1=0.5", "layer: expected one of the model's, such as block1"),
    ):
        code, _, err = imprint("train", npz, *FAST, "--freeze-after", told, "--out", "other")
        assert (code, message in err) == (2, True), err
        assert not (tmp_path / "other").exists()
    twice = ["--freeze-after", "block1=0", "--freeze-after", "block1=0.5"]
    code, _, err = imprint("train", npz, *FAST, *twice)
    assert (code, "one share a layer; got block1 twice" in err) == (2, True), err


def test_what_may_be_lost_says_how_much_is_covered(imprint, npz, tmp_path):
    skip = ["--skip", "imprint", "--accept"]
    assert imprint("train", npz, *FAST, *skip, 0.4, "--out", "run")[0] == 0
    assert read_json(tmp_path / "run" / "config.json")["cover"] == 0.93
    (tmp_path / "run" / "result.json").unlink()
    assert imprint("train", "--resume", "--out", "run")[0] == 0
    for options, message in (
        ([*skip, 2], "accept: expected points of accuracy in [0, 0.6], as far as was measured"),
        ([*skip, 0.1, "--cover", 0.9], "cover: expected none beside --accept, got 0.9"),
        (["--accept", 0.1], "cover: expected None without a plan of ours"),
    ):
        code, _, err = imprint("train", npz, *FAST, *options, "--out", "other")
        assert (code, message in err) == (2, True), err
