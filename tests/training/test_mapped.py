"""Training on a run's maps: what is trained, what it is judged on, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from imprint.data import normalise
from imprint.data.scaling import fit_images
from imprint.errors import (
    ImprintError,
    InvalidValueError,
    LayerError,
    MissingFileError,
    RunExistsError,
    StorageError,
)
from imprint.on_maps import MapSettings, stage_maps
from imprint.on_maps import store as store_module
from imprint.runs import read_json
from imprint.training import TrainSettings, load_trained, map_splits, train, train_on_maps
from imprint.training.building import build_trainer
from imprint.types import DataSplits, ImageSet

PAPER = TrainSettings(
    model="paper", epochs=6, batch_size=32, optimizer="adamw", device="cpu", augment=False
)
ONCE = replace(PAPER, epochs=1)


@pytest.fixture(scope="module")
def run(splits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("base") / "run"
    train(splits, PAPER, out=folder)
    return folder


@pytest.mark.parametrize("form", ["each", "mean", "energy"])
@pytest.mark.parametrize("stage", ["before-activation", "after-activation"])
def test_it_trains_on_the_maps_and_is_judged_on_images_and_maps(splits, run, form, stage):
    maps = MapSettings(layer="conv1", form=form, stage=stage)
    result = train_on_maps(splits, run, replace(ONCE, epochs=2), maps=maps)
    per = 10 if form == "each" else 1
    assert result["images_trained"] == 2 * 512 * per
    assert result["maps_images"] == 512 * per
    assert result["maps_shape"] == [1, *((12, 12) if stage == "before-activation" else (6, 6))]
    assert (result["maps_negative"] > 0.2) == (stage == "before-activation" and form != "energy")
    assert result["maps_activation"] == (None if stage == "before-activation" else "relu")
    assert result["base_test_accuracy"] == read_json(run / "result.json")["test_accuracy"]
    assert result["test_maps_accuracy"] > 0.35  # chance is 0.25


def test_the_batches_are_the_maps_resized(splits, run):
    base, maps = load_trained(run), MapSettings(layer="conv1", form="each")
    data = map_splits(splits, base, maps, run / "own")
    trainer = build_trainer(data, ONCE)
    batch = next(iter(trainer._train.epoch(0)))
    images = normalise(splits.train.images[batch.index // 10], base.normalisation)
    whole = stage_maps(base.model, "conv1", "after-activation", images)
    channels = whole[torch.arange(32), batch.index % 10][:, None].half()
    torch.testing.assert_close(batch.images, fit_images(channels, (1, 16, 16)))
    assert torch.equal(batch.labels, splits.train.labels[batch.index // 10])


def test_test_images_are_prepared_as_for_the_base(splits, run):
    data = map_splits(splits, load_trained(run), MapSettings(), run / "own2")
    result = train(
        data, replace(ONCE, lr=1e-12, optimizer="sgd"), start=load_trained(run).model.state_dict()
    )
    assert result["test_accuracy"] == read_json(run / "result.json")["test_accuracy"]


def test_normalised_maps_have_mean_zero_and_deviation_one(splits, run):
    data = map_splits(splits, load_trained(run), MapSettings(normalised=True), run / "own3")
    images = torch.cat([batch.images for batch in build_trainer(data, ONCE)._train.epoch(0)])
    assert abs(float(images.mean())) < 0.05
    assert float(images.std()) == pytest.approx(1, abs=0.2)  # resizing smooths
    assert data.beside["test_maps"].normalisation == data.train.normalisation


def test_fresh_weights_are_the_seeds_and_base_weights_the_bases(splits, run, tmp_path):
    still = replace(ONCE, lr=1e-12, optimizer="sgd")
    weights = {}
    for init in ("base", "fresh"):
        train_on_maps(splits, run, still, maps=MapSettings(init=init), out=tmp_path / init)
        weights[init] = load_trained(tmp_path / init).model.state_dict()
    base = load_trained(run).model.state_dict()
    seeds = build_trainer(splits, still).model.state_dict()
    for name in base:
        torch.testing.assert_close(weights["base"][name], base[name])
        torch.testing.assert_close(weights["fresh"][name], seeds[name])
    assert not torch.allclose(base["conv1.weight"], seeds["conv1.weight"])


def test_a_run_on_maps_is_a_run(splits, run, tmp_path):
    result = train_on_maps(splits, run, ONCE, out=tmp_path / "run", compare=True)
    assert read_json(tmp_path / "run" / "result.json") == json.loads(json.dumps(result))
    assert {"test_maps_accuracy", "test_accuracy"} <= result["plain"].keys() & result["skip"].keys()
    config = read_json(tmp_path / "run" / "config.json")
    assert (config["on_maps"], config["stage"]) == (str(run), "after-activation")
    trained = load_trained(tmp_path / "run")
    assert trained.normalisation == load_trained(run).normalisation
    assert trained.shape == (1, 16, 16)


def test_it_goes_on_where_it_was_stopped(splits, run, tmp_path):
    settings = replace(ONCE, epochs=3)
    whole = train_on_maps(splits, run, settings, out=tmp_path / "whole")

    def stop(_name, row):
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_on_maps(splits, run, settings, out=tmp_path / "part", on_epoch=stop)
    parted = train_on_maps(splits, run, settings, out=tmp_path / "part", resume=True)
    assert parted["test_maps_accuracy"] == whole["test_maps_accuracy"]
    again = train_on_maps(splits, run, settings, out=tmp_path / "part", resume=True)
    assert again["base_test_accuracy"] == whole["base_test_accuracy"]
    maps = MapSettings(form="each")
    with pytest.raises(InvalidValueError, match="form: expected 'mean' as the run in"):
        train_on_maps(splits, run, settings, maps=maps, out=tmp_path / "part", resume=True)


def test_maps_are_taken_once_and_other_data_have_their_own_place(splits, run):
    told = []
    train_on_maps(splits, run, ONCE, maps=MapSettings(layer="conv2"), on_extract=told.append)
    assert {each.part for each in told} == {"train", "test"}
    told.clear()
    train_on_maps(splits, run, ONCE, maps=MapSettings(layer="conv2"), on_extract=told.append)
    assert told == []
    few = ImageSet(splits.train.images[:64], splits.train.labels[:64], splits.train.class_names)
    train_on_maps(
        replace(splits, train=few), run, ONCE, maps=MapSettings(layer="conv2"),
        on_extract=told.append,
    )  # fmt: skip
    assert told


def test_extraction_that_was_stopped_goes_on(splits, run, tmp_path):
    def stop(stage):
        if stage.part == "test":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_on_maps(splits, run, ONCE, store=tmp_path / "s", out=tmp_path / "o", on_extract=stop)
    assert not (tmp_path / "o").exists()
    told = []
    train_on_maps(
        splits, run, ONCE, store=tmp_path / "s", out=tmp_path / "o", on_extract=told.append
    )
    assert {each.part for each in told} == {"test"}


def other_classes(splits):
    parts = (
        replace(part, class_names=("a", "b", "c", "d")) for part in (splits.train, splits.test)
    )
    return DataSplits("others", *parts)


def other_images(splits):
    parts = (replace(part, images=part.images[:, :, :12]) for part in (splits.train, splits.test))
    return DataSplits("others", *parts)


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        (lambda splits: splits, replace(ONCE, model="conv4"), "model: expected paper, as the run"),
        (other_classes, ONCE, "classes: expected 4: thin column, .*; got 4: a, b, c, d"),
        (other_images, ONCE, r"data: expected images \(1, 16, 16\).*got images \(1, 12, 16\)"),
    ],
)
def test_a_base_that_does_not_fit_is_refused(splits, run, change, settings, message):
    with pytest.raises(InvalidValueError, match=message):
        train_on_maps(change(splits), run, settings)


def test_a_base_that_is_missing_is_told(splits):
    with pytest.raises(MissingFileError, match=r"expected a file nowhere/config.json"):
        train_on_maps(splits, Path("nowhere"), ONCE)


def test_a_layer_without_maps_is_named(splits, run, tmp_path):
    with pytest.raises(LayerError, match="layer 'linear1': expected maps"):
        train_on_maps(splits, run, ONCE, maps=MapSettings(layer="linear1"), out=tmp_path / "o")
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 5121}, "batch_size: expected 1 … 5120, the number of images; got 5121"),
        ({"precision": "16"}, "precision: expected 32 or bf16 on cpu, got 16"),
        ({"skip": "imprint", "tier": "gate", "layer": "nope"}, "layer: expected one of the"),
    ],
)
def test_what_cannot_be_trained_is_told_before_maps_are_taken(
    splits, run, tmp_path, change, message
):
    maps, settings = MapSettings(layer="conv1", form="each"), replace(ONCE, **change)
    with pytest.raises(ImprintError, match=message):
        train_on_maps(splits, run, settings, maps=maps, store=tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_a_folder_that_is_taken_is_told_before_maps_are_taken(splits, run, tmp_path):
    with pytest.raises(RunExistsError, match="out: expected a new or empty folder"):
        train_on_maps(splits, run, ONCE, store=tmp_path / "s", out=run)
    assert not (tmp_path / "s").exists()


def test_a_store_of_another_run_is_refused(splits, run, tmp_path):
    train_on_maps(splits, run, ONCE, store=tmp_path / "store")
    train(splits, replace(PAPER, seed=1, epochs=1), out=tmp_path / "other")
    with pytest.raises(InvalidValueError, match="expected maps of weights"):
        train_on_maps(splits, tmp_path / "other", ONCE, store=tmp_path / "store")


def test_a_disk_too_small_is_told_before_anything_is_written(splits, run, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(store_module.shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(StorageError, match=r"expected 0.5 MB for the maps of 640 images"):
        train_on_maps(splits, run, ONCE, store=tmp_path / "s", out=tmp_path / "o")
    assert list(tmp_path.iterdir()) == []
