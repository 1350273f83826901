"""Maps that a run keeps: they change nothing, and survive an interruption."""

import pytest
import torch

from imprint.errors import InvalidValueError
from imprint.runs import read_tensors
from imprint.training import TrainSettings, read_kept_maps, spread_rows, train
from imprint.types import DataSplits, ImageSet

SETTINGS = {"epochs": 3, "batch_size": 16, "device": "cpu", "seed": 3}


@pytest.fixture(scope="module")
def splits():
    draw = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (64, 1, 16, 16), dtype=torch.uint8, generator=draw)
    images = ImageSet(pixels, torch.arange(64) % 4, ("a", "b", "c", "d"))
    return DataSplits("noise", images, images, augmentations=("crop", "flip"))


def weights(folder):
    return read_tensors(folder / "model.safetensors")[0]


@pytest.mark.parametrize("skip", ["none", "imprint"])
def test_keeping_changes_no_bit_of_the_weights(splits, tmp_path, skip):
    for name, count in (("with", 3), ("without", 0)):
        settings = TrainSettings(**SETTINGS, skip=skip, keep_maps=count)
        train(splits, settings, out=tmp_path / name)
    one, other = weights(tmp_path / "with"), weights(tmp_path / "without")
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not list((tmp_path / "without").glob("maps-*"))


def test_each_epoch_keeps_the_same_images_and_layers(splits, tmp_path):
    train(splits, TrainSettings(**SETTINGS, keep_maps=5), out=tmp_path / "run")
    kept = read_kept_maps(tmp_path / "run")
    assert [each.epoch for each in kept] == [1, 2, 3]
    assert all(each.index.tolist() == [0, 1, 2, 3, 4] for each in kept)
    assert len({tuple(each.maps) for each in kept}) == 1
    first = kept[0]
    for name, maps in first.maps.items():
        assert maps.shape[0] == first.signatures[name].shape[0] == 5
        assert maps.shape[1] <= 16


def test_they_survive_an_interruption(splits, tmp_path):
    settings = TrainSettings(**SETTINGS, keep_maps=2)
    train(splits, settings, out=tmp_path / "whole")

    def stop(_name, row):
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(splits, settings, out=tmp_path / "cut", on_epoch=stop)
    train(splits, settings, out=tmp_path / "cut", resume=True)
    for one, other in zip(*(read_kept_maps(tmp_path / n) for n in ("whole", "cut")), strict=True):
        assert one.epoch == other.epoch
        assert all(torch.equal(one.maps[name], other.maps[name]) for name in one.maps)


def test_of_a_comparison_the_run_that_skips_is_kept(splits, tmp_path):
    train(splits, TrainSettings(**SETTINGS, keep_maps=2), compare=True, out=tmp_path / "run")
    assert len(read_kept_maps(tmp_path / "run")) == 3


def test_a_mistake_is_told_before_anything_is_written(splits, tmp_path):
    with pytest.raises(InvalidValueError, match="keep_maps: expected 0 without out"):
        train(splits, TrainSettings(**SETTINGS, keep_maps=2))
    for wrong in (-1, 257, 1.5):
        with pytest.raises(InvalidValueError, match="keep_maps: expected"):
            TrainSettings(keep_maps=wrong)


def test_rows_are_of_as_many_classes_as_can_be():
    assert spread_rows(torch.tensor([2, 2, 2, 0, 1, 1]), 4).tolist() == [0, 1, 3, 4]
    assert spread_rows(torch.tensor([1, 1]), 9).tolist() == [0, 1]
