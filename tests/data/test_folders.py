import logging
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import imprint.data
from imprint.data import FolderImages, decoding
from imprint.data.folders import read_folder
from imprint.data.source import ReadOptions
from imprint.errors import DamagedFileError, InvalidValueError, StorageError


def grey(level, size=(6, 4)):
    return Image.new("L", size, level)


def red(level, size=(6, 4)):
    return Image.new("RGB", size, (level, 0, 0))


def test_a_train_and_a_test_folder(image_folder):
    path = image_folder({"train/dog": [grey(1), grey(2)], "train/cat": [grey(3)]})
    image_folder({"test/cat": [grey(4)], "val/cat": [grey(5)]})
    splits = imprint.data.load(path)
    assert splits.train.class_names == ("cat", "dog")
    assert splits.train.labels.tolist() == [0, 1, 1]
    assert splits.train.images[:, 0, 0, 0].tolist() == [3, 1, 2]
    assert splits.test.images[:, 0, 0, 0].tolist() == [4]
    assert splits.train.images.shape == (3, 1, 4, 6)
    shutil.rmtree(path / "test")
    assert read_folder(path).test.images[:, 0, 0, 0].tolist() == [5]
    shutil.rmtree(path / "val")
    assert len(read_folder(path).test) == 1  # `train` alone is split


def test_a_class_may_be_called_train(image_folder):
    path = image_folder({"train": [grey(1), grey(2)], "car": [grey(3), grey(4)]})
    assert read_folder(path).train.class_names == ("car", "train")


def test_a_folder_without_splits_is_split_by_share_and_seed(image_folder):
    images = [grey(level) for level in range(20)]
    path = image_folder({"a": images, "b": images})
    splits = imprint.data.load(path, test_share=0.25, seed=3)
    again = imprint.data.load(path, test_share=0.25, seed=3)
    other = imprint.data.load(path, test_share=0.25, seed=4)
    assert splits.test.labels.tolist() == [0] * 5 + [1] * 5
    assert torch.equal(splits.test.images, again.test.images)
    assert not torch.equal(splits.test.images, other.test.images)
    both = torch.cat([splits.train.images, splits.test.images])[:, 0, 0, 0]
    assert sorted(both.tolist()) == sorted([*range(20), *range(20)])


def test_files_that_are_no_images_are_passed_over(image_folder):
    path = image_folder({"a": [grey(1)] * 2, "b/deeper": [grey(2)] * 2})
    (path / "a" / "notes.txt").write_text("no image")
    (path / ".hidden").mkdir()
    assert len(FolderImages(path)) == 4


def test_one_colour_image_makes_the_set_rgb(image_folder):
    path = image_folder({"train/a": [grey(9)], "train/b": [grey(9)], "test/b": [red(200)]})
    splits = read_folder(path)
    assert splits.train.images[0, :, 0, 0].tolist() == [9, 9, 9]
    assert splits.test.images[0, :, 0, 0].tolist() == [200, 0, 0]


def test_mixed_sizes_become_the_median_at_most_224(image_folder, caplog):
    path = image_folder({"a": [grey(1, (10, 8)), grey(1, (20, 16))], "b": [grey(1, (40, 8))] * 3})
    with caplog.at_level(logging.INFO, "imprint"):
        assert read_folder(path).train.images.shape[2:] == (8, 40)
    assert "resizing all to 8 x 40" in caplog.text
    image_folder({"a": [grey(1, (900, 450))] * 9})
    assert read_folder(path).train.images.shape[2:] == (112, 224)
    assert read_folder(path, ReadOptions(image_size=5)).test.images.shape[2:] == (5, 5)


def test_resizing_is_bilinear(image_folder):
    ramp = Image.fromarray(np.arange(0, 250, 10, dtype=np.uint8).reshape(5, 5))
    path = image_folder({"a": [ramp] * 2, "b": [ramp] * 2})
    expected = np.asarray(ramp.resize((10, 10), Image.Resampling.BILINEAR))
    got = read_folder(path, ReadOptions(image_size=10)).train.images[0, 0]
    assert np.array_equal(got.numpy(), expected)


def test_large_images_decode_in_threads_to_the_same(image_folder):
    images = [grey(level, (80, 90)) for level in range(200)]
    path = image_folder({"train/a": images, "train/b": images[::-1], "test/a": images[:3]})
    levels = read_folder(path).train.images[:, 0, 40, 40]
    assert levels.tolist() == [*range(200), *reversed(range(200))]


def test_beyond_the_budget_images_lie_in_a_temporary_file(image_folder, monkeypatch, caplog):
    path = image_folder({"a": [grey(level) for level in range(9)], "b": [red(7)] * 9})
    expected = read_folder(path)
    monkeypatch.setattr(decoding, "MEMORY_BUDGET", 100)
    with caplog.at_level(logging.INFO, "imprint"):
        got = read_folder(path)
    assert "temporary file" in caplog.text
    assert torch.equal(got.train.images, expected.train.images)
    assert torch.equal(got.test.images, expected.test.images)
    monkeypatch.setattr(decoding.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 9))
    with pytest.raises(StorageError, match="free in"):
        read_folder(path)


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ({}, "images: expected one folder per class, got no folder"),
        ({"only": [grey(1)]}, r"at least two classes to train on, got \['only'\]"),
        ({"a": [grey(1)], "void": []}, r"void: expected images \(.bmp.*\), got none"),
        ({"train/a": [grey(1)], "train/b": [grey(1)], "test/c": [grey(1)]}, r"got \['c'\] besides"),
    ],
)
def test_folders_that_hold_no_classes_are_refused(image_folder, tmp_path, classes, said):
    (tmp_path / "images").mkdir()
    with pytest.raises(InvalidValueError, match=said):
        read_folder(image_folder(classes))


@pytest.mark.parametrize("damage", ["cut", "text"])
def test_a_damaged_image_is_told_by_its_file(image_folder, damage):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40)).astype(np.uint8)
    path = image_folder({"a": [Image.fromarray(noise)] * 3, "b": [Image.fromarray(noise)] * 3})
    file = path / "b" / "001.png"
    file.write_bytes(file.read_bytes()[:700] if damage == "cut" else b"text")
    with pytest.raises(DamagedFileError, match=r"b/001\.png: expected an image"):
        read_folder(path)


def test_folder_images_read_what_the_whole_set_holds(image_folder):
    path = image_folder({"a": [grey(1), red(2)], "b": [grey(3, (9, 9))]})
    images = FolderImages(path, image_size=6)
    assert (len(images), images.classes, images.shape) == (3, ("a", "b"), (3, 6, 6))
    assert images[1][0][:, 0, 0].tolist() == [2, 0, 0]
    assert [images[row][1] for row in range(3)] == images.labels.tolist() == [0, 0, 1]
    assert images[2][0].dtype == torch.uint8


def test_what_is_hidden_or_no_file_is_passed_over(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / ".thumbnails").mkdir(parents=True)
        (tmp_path / name / "folder.png").mkdir()
        for row in range(3):
            Image.new("L", (4, 4), row).save(tmp_path / name / f"{row}.png")
        Image.new("L", (4, 4)).save(tmp_path / name / ".thumbnails" / "0.png")
        (tmp_path / name / "._0.png").write_bytes(b"AppleDouble")
    splits = read_folder(tmp_path)
    assert len(splits.train) + len(splits.test) == 6
