"""The networks of runs are loaded, and never code that nobody named."""

import shutil

import pytest
import torch
from torch import nn

from imprint.app.named_folders import NamedFolders
from imprint.app.networks import Networks
from imprint.errors import DamagedFileError, InvalidValueError
from imprint.hashes import hash_tensors
from imprint.runs import write_json
from imprint.training import load_trained

from .conftest import foreign

CODE = """
from pathlib import Path
from torch import nn
Path({marker!r}).write_text("ran")
def build(shape, num_classes):
    {body}
"""


@pytest.fixture
def runs(place, tmp_path):
    return shutil.copytree(place / "runs", tmp_path / "runs")


@pytest.fixture
def own_code(runs, tmp_path):
    """A run whose weights name code beside it, which would leave a mark."""
    code = tmp_path / "mine.py"
    body = "return nn.Linear(2, 2)"
    code.write_text(CODE.format(marker=str(tmp_path / "ran"), body=body))
    return foreign(runs / "first", runs / "mine", f"{code}:build")


def test_code_that_merely_lies_there_does_not_run(runs, own_code, tmp_path):
    networks = Networks(NamedFolders(runs))
    with pytest.raises(InvalidValueError, match="is code that would run; it is not loaded"):
        networks.network("mine")
    assert not (tmp_path / "ran").exists()


def test_code_that_was_named_runs(runs, own_code, tmp_path):
    networks = Networks(NamedFolders(runs, trusted=[own_code]))
    with pytest.raises(DamagedFileError):  # the weights are another network's
        networks.network("mine")
    assert (tmp_path / "ran").exists()


def test_whatever_named_code_raises_is_told(runs, own_code, tmp_path):
    (tmp_path / "mine.py").write_text("1 / 0")
    networks = Networks(NamedFolders(runs, trusted=[own_code]))
    with pytest.raises(DamagedFileError, match="division by zero"):
        networks.network("mine")


def test_a_network_is_loaded_once_until_its_weights_change(runs):
    networks = Networks(NamedFolders(runs))
    found = networks.network("first")
    assert networks.network("first") is found
    shutil.copy(runs / "second" / "model.safetensors", runs / "first")
    changed = networks.network("first")
    assert hash_tensors(changed.model.state_dict()) != hash_tensors(found.model.state_dict())


def test_a_link_out_of_the_folder_is_not_followed(runs, tmp_path):
    outside = shutil.move(runs / "first" / "model.safetensors", tmp_path / "elsewhere")
    (runs / "first" / "model.safetensors").symlink_to(outside)
    with pytest.raises(InvalidValueError, match="leads out"):
        Networks(NamedFolders(runs)).network("first")


@pytest.fixture
def exits(runs):
    """An early-exit run of `first`, as far as it is looked at."""
    model = load_trained(runs / "first").model
    config = {"command": "early-exit", "weights": hash_tensors(model.state_dict())}
    (runs / "exits").mkdir()
    write_json(runs / "exits" / "config.json", config | {"first": None, "first_weights": None})
    from imprint.early_exit import EarlyExit

    EarlyExit(()).save(runs / "exits" / "exits.safetensors")
    return config


def test_exits_are_those_of_the_very_network(runs, exits):
    networks = Networks(NamedFolders(runs))
    assert networks.exits_of("first") == ["exits"]
    assert networks.exits_of("second") == []
    assert networks.exits("exits", "first").exits == ()
    with pytest.raises(InvalidValueError, match="another network's"):
        networks.exits("exits", "second")


def test_a_first_network_outside_of_the_folder_is_not_loaded(runs, exits, tmp_path):
    more = {"first": str(tmp_path / "elsewhere"), "first_weights": "abc"}
    write_json(runs / "exits" / "config.json", exits | more)
    with pytest.raises(InvalidValueError, match="expected one within"):
        Networks(NamedFolders(runs)).exits("exits", "first")


def test_networks_stay_at_rest(runs):
    found = Networks(NamedFolders(runs)).network("first")
    assert isinstance(found.model, nn.Module)
    assert not found.model.training
    assert all(weight.device == torch.device("cpu") for weight in found.model.parameters())
