"""Small runs, an exploration and an index, as their commands leave them; a server; a browser."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

from imprint.app.named_folders import NamedFolders
from imprint.app.sources import sources_of
from imprint.data import AudioOptions, load, survey
from imprint.exploration import ExploreSettings, explore
from imprint.runs import read_json, read_tensors, write_json, write_tensors
from imprint.searching import Gallery
from imprint.training import TrainSettings, load_trained, train

RATE = 16_000
PITCHES = {"low": 220.0, "middle": 440.0, "high": 880.0}


def tone(pitch, seconds=2.0, seed=0):
    """A chord with a beat of its own."""
    at = np.arange(int(RATE * seconds)) / RATE
    beat = 0.6 + 0.4 * np.sign(np.sin(2 * np.pi * (1.5 + 0.5 * seed) * at))
    return 0.2 * beat * sum(np.sin(2 * np.pi * pitch * ratio * at) for ratio in (1, 1.25, 1.5))


def foreign(folder, out, factory):
    """A copy of a run whose weights say that its network is code of the user's own."""
    shutil.copytree(folder, out)
    tensors, note = read_tensors(out / "model.safetensors")
    write_tensors(out / "model.safetensors", tensors, note | {"model": factory})
    return out


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """A folder with data, runs of several kinds, and an index of tones."""
    pytest.importorskip("lancedb")
    root = tmp_path_factory.mktemp("app")
    mnist = load("mnist")
    (root / "data").mkdir()
    np.savez(
        root / "data" / "digits.npz",
        x_train=mnist.train.images[:600, 0], y_train=mnist.train.labels[:600],
        x_test=mnist.test.images[:100, 0], y_test=mnist.test.labels[:100],
    )  # fmt: skip
    source = str(root / "data" / "digits.npz")
    splits = load(source)
    quick = {"epochs": 2, "batch_size": 32, "device": "cpu", "lr": 0.05, "dense_start": 0.0}
    for name, seed in (("first", 0), ("second", 1)):
        skip = {"skip": "imprint", "seed": seed}
        settings = TrainSettings(**quick, **skip)
        train(splits, settings, compare=name == "second", out=root / "runs" / name)
    settings = ExploreSettings(judge=None, embedding="pca", device="cpu")
    explored = root / "runs" / "explored"
    explored.mkdir()
    write_json(explored / "config.json", {"command": "explore", "data": source})
    explore(survey(source), settings=settings, name=source).write(explored)
    for number, (name, pitch) in enumerate(PITCHES.items()):
        for seed in (0, 1):
            path = root / "data" / "music" / f"{name} {seed}.wav"
            path.parent.mkdir(exist_ok=True)
            soundfile.write(path, tone(pitch, seed=seed + number), RATE)
    Gallery(root / "songs.index", audio=AudioOptions(seconds=1.0, excerpts=1)).add(
        root / "data" / "music"
    )
    trained = load_trained(root / "runs" / "first")
    album = Gallery(
        root / "digits.index", model=trained.model, layer="block1",
        normalisation=trained.normalisation, run=str(root / "runs" / "first"),
    )  # fmt: skip
    album.add(source)
    return root


@pytest.fixture
def folders(place):
    return NamedFolders(place / "runs", data=[place / "data"])


@pytest.fixture
def sources(place, folders, tmp_path):
    return sources_of(folders, str(place / "songs.index"), tmp_path / "cache")


@pytest.fixture
def going(place, tmp_path):
    """A folder of runs with one that is in its second epoch."""
    source = str(place / "data" / "digits.npz")
    folder = tmp_path / "runs" / "going"

    def stop(step):
        if step.epoch == 1 and step.step == 2:
            raise KeyboardInterrupt

    settings = TrainSettings(
        epochs=3, batch_size=32, device="cpu", lr=0.05, dense_start=0.0, skip="imprint"
    )
    with pytest.raises(KeyboardInterrupt):
        train(load(source), settings, out=folder, on_step=stop)
    told = {"run": "skip", "epoch": 1, "step": 1, "steps": 9, "loss": 0.5}
    more = {"trained": 32, "skipped": 300, "epochs": 3, "class_names": list("0123456789")}
    write_json(folder / "progress.json", told | more)
    return folder


class Server(SimpleNamespace):
    """A process that serves the app: its `address`, `port` and `process`."""


def _heeds_ctrl_c():
    """What a shell runs in the background is told to ignore Ctrl-C, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def started(*arguments, log, environment=None):
    """Start the app, and wait until it says where it is; what it says on stderr goes to `log`."""
    command = [sys.executable, "-m", "imprint.cli", "app", "--port", "0", *map(str, arguments)]
    with log.open("w") as errors:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
            preexec_fn=_heeds_ctrl_c,  # noqa: PLW1509 - one system call, and no lock
        )
    line = process.stdout.readline()
    assert line.startswith("Imprint is at "), line + log.read_text()
    address = line.split()[3].rstrip(";")
    port = int(address.rpartition(":")[2])
    return Server(process=process, address=f"http://127.0.0.1:{port}", port=port, log=log)


def ended(server):
    """End the app as Ctrl-C does; its exit code."""
    server.process.send_signal(signal.SIGINT)
    server.process.communicate(timeout=30)
    return server.process.returncode


@pytest.fixture(scope="session")
def server(place):
    pytest.importorskip("gradio")
    outside = place / "outside.txt"
    outside.write_text("not to be read")
    serving = place / "served"
    shutil.copytree(place / "runs", serving)
    marker = place / "ran"
    code = place / "evil.py"
    code.write_text(f"from pathlib import Path\nPath({str(marker)!r}).write_text('ran')\n")
    foreign(place / "runs" / "first", serving / "evil", f"{code}:build")
    linked = shutil.copytree(place / "runs" / "first", serving / "linked")
    (linked / "result.json").unlink()
    (linked / "result.json").symlink_to(outside)
    (serving / "gone").symlink_to(place / "data")
    server = started(
        "--runs", serving, "--index", place / "songs.index", "--data", place / "data",
        "--largest-upload", 1, log=place / "server.log",
    )  # fmt: skip
    server.marker, server.runs = marker, serving
    yield server
    assert ended(server) == 130


@pytest.fixture
def random_state():
    """Whatever a test does, the global random state is as it was."""
    before = torch.get_rng_state()
    yield
    assert torch.equal(before, torch.get_rng_state())


def old(path, seconds):
    """Make a file look as if it was last changed some time ago."""
    then = time.time() - seconds
    os.utime(path, (then, then))
    return read_json(path)


def finished(own):
    """What a coroutine gives, in a thread of its own: a browser may have its loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, own).result()
