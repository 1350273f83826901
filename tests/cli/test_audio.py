"""Commands on folders of audio, as their users meet them: tones and chords made here."""

import io
import json
import shutil

import numpy as np
import pytest
import torch

from imprint.cli import main  # noqa: F401 - so that a broken import shows here
from imprint.cli.audio_options import as_long, audio_of
from imprint.data import AudioOptions
from imprint.runs import read_json

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("librosa")
RATE = 16_000
FAST = ["--epochs", "6", "--batch-size", "8", "--device", "cpu"]


def made(kind, draw, seconds=2.0):
    """A chord, a rising tone or pulsed noise, of any pitch and level."""
    time = np.arange(int(RATE * seconds)) / RATE
    pitch = draw.uniform(200, 800)
    if kind == "chord":
        wave = sum(np.sin(2 * np.pi * pitch * ratio * time) for ratio in (1, 1.25, 1.5)) / 3
    elif kind == "sweep":
        wave = np.sin(2 * np.pi * (pitch * time + pitch / 2 * time**2))
    else:
        pulse = np.sign(np.sin(2 * np.pi * draw.uniform(2, 6) * time))
        wave = pulse * draw.standard_normal(len(time)) / 4
    return 10 ** draw.uniform(-2, -0.3) * wave


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    folder, draw = tmp_path_factory.mktemp("audio") / "sounds", np.random.default_rng(0)
    for kind in ("chord", "sweep", "noise"):
        (folder / kind).mkdir(parents=True)
        for number in range(20):
            suffix = ("wav", "flac", "ogg")[number % 3]
            soundfile.write(folder / kind / f"{number:02}.{suffix}", made(kind, draw), RATE)
    return folder


def test_a_network_learns_to_tell_sounds_apart(imprint, sounds, tmp_path, monkeypatch):
    code, _, err = imprint("train", sounds, *FAST, "--seconds", "1", "--out", "run")
    assert code == 0, err
    result = read_json(tmp_path / "run/result.json")
    assert result["test_accuracy"] > 0.9
    assert result["class_names"] == ["chord", "noise", "sweep"]
    config = read_json(tmp_path / "run/config.json")
    assert (config["seconds"], config["sample_rate"], config["mels"]) == (1, 16_000, 64)
    assert (config["train_images"], config["test_images"]) == (96, 24)
    assert (tmp_path / "run/report.html").stat().st_size > 10_000

    code, out, err = imprint("predict", "run", sounds)  # as the run read them, not as is usual
    assert code == 0, err
    assert out.splitlines()[1].startswith('"chord/00.wav, 0.0 s",chord,')
    assert len(out.splitlines()) == 121
    code, out, err = imprint("predict", "run", sounds / "sweep/01.flac")
    assert [line.split('",')[1].split(",")[0] for line in out.splitlines()[1:]] == ["sweep"] * 2
    listed = f"{sounds}/sweep/01.flac\n{sounds}/chord/00.wav\n{sounds}/gone.wav\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(listed))
    code, out, err = imprint("predict", "run", "-")  # the middle of each
    assert code == 0, err
    assert [line.split(",")[1] for line in out.splitlines()[1:]] == ["sweep", "chord"]
    assert "gone.wav" in err
    code, out, err = imprint(
        "explore", sounds, "--model", "run", "--judge", "none", "--out", "seen"
    )
    assert code == 0, err
    assert read_json(tmp_path / "seen/config.json")["seconds"] == 1
    code, out, err = imprint("attack", "run", sounds, "--epsilon", "0.1", "--out", "attacked")
    assert code == 0, err
    sound = sounds / "chord/00.wav"
    code, out, err = imprint("see", "run", "--image", sound, "--layer", "block1", "--out", "look")
    assert code == 0, err
    assert "chord" in (tmp_path / "look/report.html").read_text()


def test_skipping_and_resuming_work_as_on_images(imprint, sounds, tmp_path):
    skips = ["--skip", "imprint", "--tier", "both", "--model", "resnet8", "--mels", "32"]
    code, out, err = imprint("train", sounds, *FAST, *skips, "--excerpts", "1", "--json",
                             "--out", "run")  # fmt: skip
    assert code == 0, err
    result = json.loads(out)
    assert result["images_skipped"] > 0
    assert result["images_seen"] == 6 * 48
    code, out, err = imprint("train", sounds, "--resume", "--json", "--out", "run")
    assert code == 0, err
    assert json.loads(out) == result
    code, out, err = imprint("train", sounds, "--resume", "--mels", "40", "--out", "run")
    assert code == 2
    assert "mels: expected 32 as the run in run has, got 40" in err


def test_an_export_reads_audio_as_its_run_did(imprint, sounds):
    unusual = ("--mels", "32", "--seconds", "1", "--sample-rate", "8000")
    code, _, err = imprint("train", sounds, *FAST, *unusual, "--out", "run")
    assert code == 0, err
    code, _, err = imprint("export", "run", "--out", "onnx")
    assert code == 0, err
    (_, own, _), (code, found, err) = (imprint("predict", name, sounds) for name in ("run", "onnx"))
    assert code == 0, err
    rows, exported = (
        [line.rsplit(",", 3)[:2] for line in text.splitlines()] for text in (own, found)
    )
    assert len(rows) == 121
    assert rows == exported


def test_augmentations_of_sound_are_trained_with_and_kept_to(imprint, sounds, tmp_path):
    asked = ("--seconds", "1", "--augmentations", "roll,level,mask")
    code, out, err = imprint("train", sounds, *FAST, *asked, "--json", "--out", "run")
    assert code == 0, err
    result = json.loads(out)
    assert result["augmentations"] == ["roll", "level", "mask"]
    _, out, _ = imprint("train", sounds, *FAST, "--seconds", "1", "--json", "--out", "without")
    assert json.loads(out)["epochs"][0]["train_loss"] != result["epochs"][0]["train_loss"]
    code, out, err = imprint("train", sounds, "--resume", "--json", "--out", "run")
    assert code == 0, err
    assert json.loads(out) == result
    code, _, err = imprint("train", sounds, "--resume", "--augmentations", "mask", "--out", "run")
    assert code == 2
    assert "augmentations: expected ['roll', 'level', 'mask'] as the run in run has" in err


def test_a_run_takes_excerpts_of_its_length(imprint, sounds, tmp_path):
    code, _, err = imprint("train", sounds, *FAST, "--out", "run")
    assert code == 0, err
    soundfile.write(tmp_path / "short.wav", made("chord", np.random.default_rng(1), 0.7), RATE)
    code, out, err = imprint("predict", "run", "short.wav")
    assert code == 0, err
    assert len(out.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seconds", "0"], "seconds: expected 0.05 … 600, got 0"),
        (["--excerpts", "0"], "excerpts: expected at least 1, got 0"),
        (["--mels", "4"], "mels: expected 12 … 512, got 4"),
        (["--sample-rate", "1"], "sample_rate: expected 4,000 … 192,000 Hz, got 1"),
    ],
)
def test_a_mistake_is_one_line(imprint, sounds, arguments, said):
    code, out, err = imprint("train", sounds, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"imprint: error: {said}")
    assert len(err.splitlines()) == 1


def test_a_broken_file_stops_training_and_is_listed_by_a_look(imprint, sounds, tmp_path):
    shutil.copytree(sounds, tmp_path / "copy")
    (tmp_path / "copy/chord/00.wav").write_bytes(b"no audio")
    code, _, err = imprint("train", "copy", *FAST)
    assert code == 2
    assert "chord/00.wav: expected audio, got 8 bytes that cannot be read" in err
    code, out, err = imprint("explore", "copy", "--judge", "none", "--out", "seen")
    assert code == 0, err
    assert "59 images in 3 classes; 1 more could not be read." in out


def test_options_go_before_the_runs():
    run = {"seconds": 3.0, "mels": 32, "label": "mood", "excerpts": None}
    assert audio_of({"mels": 40, "seconds": None}, run) == AudioOptions(
        seconds=3.0, mels=40, label="mood"
    )
    assert audio_of({}) == AudioOptions()


def test_only_a_length_that_the_data_chose_is_adapted():
    audio = AudioOptions()
    longer = as_long(audio, (2, 64, 469), (2, 64, 94))
    assert longer.seconds == pytest.approx(14.976)
    samples = round(longer.seconds * longer.sample_rate)
    assert 1 + samples // longer.spectrogram.hop == 469
    assert as_long(audio, (2, 64, 469), torch.Size([2, 64, 469])) is None
    assert as_long(audio, (2, 64, 469), (2, 32, 94)) is None
    assert as_long(audio, (3, 64, 469), (3, 64, 94)) is None
    assert as_long(AudioOptions(seconds=3), (2, 64, 469), (2, 64, 94)) is None
