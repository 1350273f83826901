import json

import pytest
import torch

from imprint.data import normalisation
from imprint.errors import DamagedFileError, MissingFileError
from imprint.models import build_model, default_layer
from imprint.runs import read_tensors, write_tensors
from imprint.training import TrainSettings, load_trained, runs_foreign_code, train

QUICK = {"epochs": 1, "batch_size": 64, "device": "cpu", "lr": 0.1}


@pytest.fixture(params=["conv4", "paper"])
def run(request, splits, tmp_path):
    """The folder of a short run, and its network's name."""
    train(splits, TrainSettings(model=request.param, **QUICK), out=tmp_path / "run")
    return tmp_path / "run", request.param


@pytest.fixture
def folder(splits, tmp_path):
    train(splits, TrainSettings(model="paper", **QUICK), out=tmp_path / "run")
    return tmp_path / "run"


def rewrite(folder, **changes):
    tensors, note = read_tensors(folder / "model.safetensors")
    note = {key: value for key, value in (note | changes).items() if value != "absent"}
    write_tensors(folder / "model.safetensors", tensors, note)


def test_answers_to_the_bit_as_the_network_that_was_trained(run, splits):
    folder, name = run
    by_hand = build_model(name, (1, 16, 16), 4, seed=7)
    by_hand.load_state_dict(read_tensors(folder / "model.safetensors")[0])
    images = torch.randn(5, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    trained = load_trained(folder)
    with torch.no_grad():
        assert torch.equal(trained.model(images), by_hand.eval()(images))
    assert not any(module.training for module in trained.model.modules())
    assert trained.layer == default_layer(name)
    assert trained.normalisation == normalisation(splits.train.images)
    assert trained.shape == (1, 16, 16)
    assert trained.class_names == splits.train.class_names


def test_its_accuracy_is_the_runs(run, splits):
    folder, _ = run
    trained = load_trained(folder)
    (mean,), (std,) = trained.normalisation
    with torch.no_grad():
        answers = trained.model((splits.test.images / 255 - mean) / std).argmax(1)
    accuracy = (answers == splits.test.labels).float().mean().item()
    stored = json.loads((folder / "result.json").read_text())["test_accuracy"]
    assert accuracy == pytest.approx(stored, abs=1 / 128)  # one image at the border


def test_names_the_layer_that_the_run_tapped(splits, tmp_path):
    settings = TrainSettings(model="conv4", layer="block3", skip="cosine", **QUICK)
    train(splits, settings, out=tmp_path / "run")
    assert load_trained(tmp_path / "run").layer == "block3"


def test_a_network_of_the_users_own_comes_back_without_a_layer(splits, tmp_path):
    (tmp_path / "own.py").write_text(
        "from torch import nn\n"
        "def flat(num_classes):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(256, num_classes))\n"
    )
    settings = TrainSettings(model=f"{tmp_path}/own.py:flat", **QUICK)
    train(splits, settings, out=tmp_path / "run")
    trained = load_trained(tmp_path / "run")
    assert trained.layer is None
    assert trained.model(torch.zeros(2, 1, 16, 16)).shape == (2, 4)
    (tmp_path / "own.py").unlink()
    with pytest.raises(MissingFileError, match=r"own\.py"):
        load_trained(tmp_path / "run")


def test_loading_leaves_random_states_alone(folder):
    state = torch.get_rng_state()
    load_trained(folder)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_file_that_is_not_there_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(
        MissingFileError, match=f"expected a (file|finished run) .*{name}, found none"
    ):
        load_trained(folder)
    with pytest.raises(MissingFileError, match="nowhere"):
        load_trained(folder / "nowhere")


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.999])
def test_truncated_weights_are_damaged(folder, share):
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DamagedFileError, match=r"model.safetensors: expected a safetensors file"):
        load_trained(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "conv4"},
        {"model": "resnet8"},
        {"model": "nothing"},
        {"classes": ["a", "b"]},
        {"shape": [3, 16, 16]},
        {"shape": [1, 20, 20]},
        {"shape": [16, 16]},
        {"model": "absent"},
        {"shape": "absent"},
        {"classes": "absent"},
        {"mean": "absent"},
    ],
    ids=str,
)
def test_weights_of_another_network_are_damaged(folder, changes):
    rewrite(folder, **changes)
    with pytest.raises(DamagedFileError, match=r"model.safetensors: expected the weights of a run"):
        load_trained(folder)


def test_weights_of_another_run_bring_their_own_network(folder, splits, tmp_path):
    train(splits, TrainSettings(model="conv4", **QUICK), out=tmp_path / "other")
    (tmp_path / "other/model.safetensors").replace(folder / "model.safetensors")
    trained = load_trained(folder)
    assert trained.layer == default_layer("conv4")
    assert trained.model(torch.zeros(2, 1, 16, 16)).shape == (2, 4)


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_config_that_does_not_parse_is_damaged(folder, text):
    (folder / "config.json").write_text(text)
    with pytest.raises(DamagedFileError, match=r"config.json: expected"):
        load_trained(folder)


def test_what_the_weights_say_decides_whose_code_a_run_is(folder):
    assert runs_foreign_code(folder) is None
    rewrite(folder, model="mine.py:build")
    config = json.loads((folder / "config.json").read_text())
    assert config["model"] == "paper"
    assert runs_foreign_code(folder) == "mine.py:build"
