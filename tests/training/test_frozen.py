"""A frozen prefix: stored or not, the training is the same to the bit."""

from dataclasses import replace

import pytest
import torch

from imprint.data.scaling import measured
from imprint.errors import InvalidValueError, LayerError, StorageError
from imprint.on_maps import store as store_module
from imprint.runs import read_json, read_tensors
from imprint.training import TrainSettings, base_weights, train
from imprint.training.building import build_trainer
from imprint.training.frozen import store_prefix

QUICK = TrainSettings(
    freeze_to="block2", epochs=2, batch_size=32, device="cpu", lr=0.1, augment=False
)


def weights(folder):
    return read_tensors(folder / "model.safetensors")[0]


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.filterwarnings("ignore:precision")  # as it may be, on this processor
@pytest.mark.parametrize(
    ("model", "layer", "more"),
    [
        ("paper", "conv1", {}),
        ("paper", "linear1", {}),
        ("conv4", "block2", {}),
        ("conv4", "block3.0", {}),
        ("conv4", "block2", {"precision": "bf16"}),
        ("conv4", "block2", {"skip": "imprint"}),
        ("conv4", "block2", {"skip": "imprint", "tier": "gate"}),
        ("conv4", "block2", {"skip": "imprint", "tier": "gate", "layer": "block3"}),
        ("conv4", "block2", {"skip": "selective-backprop"}),
        ("resnet8", "layer1", {"optimizer": "adamw"}),
    ],
)
def test_stored_or_not_it_is_the_same_to_the_bit(splits, tmp_path, model, layer, more):
    settings = replace(QUICK, model=model, freeze_to=layer, batch_size=50, **more)
    data = measured(splits)
    frozen, stored = build_trainer(data, settings), build_trainer(data, settings)
    before = {name: value.clone() for name, value in frozen.model.state_dict().items()}
    store_prefix(stored, data, tmp_path)
    for _ in range(settings.epochs):
        one, other = frozen.train_epoch(), stored.train_epoch()
        assert {**one, "train_seconds": 0} == {**other, "train_seconds": 0}
    assert same(frozen.model.state_dict(), stored.model.state_dict())
    after = stored.model.state_dict()
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert changed
    assert not changed & set(stored.rest.frozen)
    assert not any(name.startswith(("block1", "conv1")) for name in changed)  # nor batch norm's


def test_a_run_drops_its_maps_and_leaves_a_whole_network(splits, tmp_path):
    result = train(splits, QUICK, out=tmp_path / "run")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "config.json", "model.safetensors", "result.json",
    ]  # fmt: skip
    assert result["freeze_to"] == "block2"
    assert result["prefix_seconds"] > 0
    assert (
        weights(tmp_path / "run").keys() == build_trainer(splits, QUICK).model.state_dict().keys()
    )
    assert train(splits, QUICK)["test_accuracy"] == result["test_accuracy"]


def test_from_a_run_it_goes_on_with_its_weights(splits, tmp_path):
    whole = replace(QUICK, freeze_to=None)
    train(splits, whole, out=tmp_path / "base")
    start = base_weights(tmp_path / "base", splits, QUICK)
    train(splits, QUICK, out=tmp_path / "run", start=start)
    ours, base = weights(tmp_path / "run"), weights(tmp_path / "base")
    for name, value in ours.items():
        assert torch.equal(value, base[name]) == name.startswith(("block1", "block2"))
    with pytest.raises(InvalidValueError, match="model: expected conv4, as the run in"):
        base_weights(tmp_path / "base", splits, replace(QUICK, model="paper"))


def test_weights_of_another_network_are_refused(splits):
    with pytest.raises(InvalidValueError, match="start: expected weights of model conv4, got"):
        train(splits, QUICK, start={"weight": torch.ones(1)})


def test_it_goes_on_where_it_was_stopped(splits, tmp_path):
    settings = replace(QUICK, epochs=3)
    train(splits, settings, out=tmp_path / "whole")

    def stop(_name, row):
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(splits, settings, out=tmp_path / "part", on_epoch=stop)
    told = []
    train(splits, settings, out=tmp_path / "part", resume=True, on_extract=told.append)
    assert told == []  # the maps were still there
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "part"))


def test_extraction_that_was_stopped_goes_on(splits, tmp_path):
    def stop(stage):
        if stage.part == "test":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(splits, QUICK, out=tmp_path / "run", on_extract=stop)
    told = []
    train(splits, QUICK, out=tmp_path / "run", resume=True, on_extract=told.append)
    assert {each.part for each in told} == {"test"}


def test_both_runs_of_a_comparison_share_the_maps(splits, tmp_path):
    told = []
    result = train(
        splits, QUICK, compare=True, out=tmp_path / "r", store=tmp_path / "s",
        on_extract=told.append,
    )  # fmt: skip
    assert [each.part for each in told].count("train") == 2  # before, and after its one chunk
    assert result["plain"]["images_trained"] > result["skip"]["images_trained"]
    assert (tmp_path / "s" / "train" / "maps.bin").is_file()


def test_another_store_is_refused_and_the_folder_given_back(splits, tmp_path):
    train(splits, QUICK, store=tmp_path / "s")
    with pytest.raises(InvalidValueError, match="expected maps of weights"):
        train(splits, replace(QUICK, seed=1), store=tmp_path / "s", out=tmp_path / "r")
    assert list((tmp_path / "r").iterdir()) == []


def test_a_disk_too_small_is_told_and_the_folder_given_back(splits, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(store_module.shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(StorageError, match=r"MB for the maps of 640 images"):
        train(splits, QUICK, out=tmp_path / "r")
    assert list((tmp_path / "r").iterdir()) == []


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"augment": True},
            InvalidValueError,
            "augment: expected False .*beside freeze_to.*got crop",
        ),
        ({"freeze_to": "nope"}, LayerError, "layer: expected one of the model's"),
        ({"freeze_to": "linear"}, InvalidValueError, "at least one parameter to train"),
        (
            {"skip": "imprint", "tier": "gate", "layer": "block1"},
            LayerError,
            "layer: expected one after block2, up to which the network is frozen; got block1",
        ),
    ],
)
def test_what_does_not_go_together_is_told_before_work(splits, tmp_path, change, error, message):
    with pytest.raises(error, match=message):
        train(splits, replace(QUICK, **change), out=tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_maps_to_see_cannot_be_kept_beside_it():
    with pytest.raises(InvalidValueError, match="keep_maps: expected 0 beside freeze_to"):
        TrainSettings(freeze_to="block1", keep_maps=3)


def test_an_older_run_without_the_setting_can_be_resumed(splits, tmp_path):
    import json

    settings = replace(QUICK, freeze_to=None)
    train(splits, settings, out=tmp_path / "r")
    config = read_json(tmp_path / "r" / "config.json")
    del config["freeze_to"]
    (tmp_path / "r" / "config.json").write_text(json.dumps(config))
    assert train(splits, settings, out=tmp_path / "r", resume=True)["epochs"]
