"""The small types refuse what does not fit together."""

import pytest
import torch

from imprint.errors import InvalidValueError
from imprint.types import DataPart, DataSplits, ImageSet, Normalisation


def images(rows=4, channels=1, names=("a", "b")):
    pixels = torch.zeros(rows, channels, 8, 8, dtype=torch.uint8)
    return ImageSet(pixels, torch.arange(rows) % len(names), names)


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (images(rows=0), images(), "train: expected at least one image"),
        (images(), images(rows=0), "test: expected at least one image"),
        (images(), images(channels=3), r"test: expected images \(1, 8, 8\) as train has, got \(3"),
        (images(), images(names=("a", "b", "c")), "test: expected the 2 classes of train"),
        (images(), images(names=("b", "a")), "test: expected the 2 classes of train"),
    ],
)
def test_splits_that_do_not_fit_are_refused(train, test, message):
    with pytest.raises(InvalidValueError, match=message):
        DataSplits("pair", train, test)


@pytest.mark.parametrize(
    ("pixels", "labels", "message"),
    [
        (torch.zeros(2, 1, 8, 8).long(), torch.tensor([0, 1]), "images: expected"),
        (torch.zeros(2, 8, 8, dtype=torch.uint8), torch.tensor([0, 1]), "images: expected"),
        (torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0]), r"labels: expected \(2,\)"),
        (torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 2]), "got 0 … 2"),
        (torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([-1, 0]), "got -1 … 0"),
    ],
)
def test_images_and_labels_that_do_not_fit_are_refused(pixels, labels, message):
    with pytest.raises(InvalidValueError, match=message):
        ImageSet(pixels, labels, ("a", "b"))


@pytest.mark.parametrize("groups", [torch.tensor([1]), torch.tensor([1.0, 2.0])])
def test_groups_that_do_not_fit_are_refused(groups):
    pixels = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    with pytest.raises(InvalidValueError, match=r"groups: expected \(2,\) of torch.int64, got"):
        ImageSet(pixels, torch.tensor([0, 1]), ("a", "b"), groups=groups)


@pytest.mark.parametrize("rows", [torch.tensor([3, 0]), torch.tensor([True, False, False, True])])
def test_some_of_the_images_keep_what_is_known_of_them(rows):
    whole, scale = images(), Normalisation((0.5,), (0.5,))
    known = ImageSet(whole.images, whole.labels, whole.class_names, scale, torch.arange(4) * 10)
    taken = known.taken(rows)
    assert sorted(taken.groups.tolist()) == [0, 30]
    assert taken.labels.tolist() == whole.labels[rows].tolist()
    assert taken.normalisation == scale
    assert whole.taken(rows).groups is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"paths": ("a",)}, "paths: expected 4, one for each image, got 1"),
        ({"metadata": {"mood": ("calm",)}}, "mood: expected 4, one for each image, got 1"),
    ],
)
def test_a_part_has_one_entry_for_each_image(given, message):
    with pytest.raises(InvalidValueError, match=message):
        DataPart(images(), **given)
