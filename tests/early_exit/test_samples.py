import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from imprint.early_exit.samples import batches_from, known_labels
from imprint.errors import InvalidValueError
from imprint.types import ImageSet, Normalisation

IMAGES = torch.rand(10, 3, 16, 16, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(10) % 3


def test_whatever_holds_samples_gives_batches():
    dataset = TensorDataset(IMAGES, LABELS)
    loader = DataLoader(dataset, 4)
    pixels = ImageSet((IMAGES * 255).byte(), LABELS, ("a", "b", "c"))
    for data in (dataset, loader, [(IMAGES, LABELS)], pixels):
        batches, _ = batches_from(data, 4)
        images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
        assert labels.equal(LABELS)
        assert images.shape == IMAGES.shape
    with pytest.raises(InvalidValueError, match="data: expected a data set or batches, got int"):
        batches_from(3, 4)


def test_some_of_a_sorted_set_are_spread_over_it():
    dataset = TensorDataset(torch.arange(100.0), torch.arange(100))
    batches, _ = batches_from(dataset, 8, most=10)
    taken = torch.cat([labels for _, labels in batches])
    assert taken.tolist() == [0, 11, 22, 33, 44, 55, 66, 77, 88, 99]
    pixels = ImageSet(torch.zeros(100, 1, 2, 2).byte(), torch.arange(100) // 50, ("a", "b"))
    batches, _ = batches_from(pixels, 8, Normalisation((0.0,), (1.0,)), most=10)
    assert torch.cat([labels for _, labels in batches]).bincount().tolist() == [5, 5]


def test_known_labels_are_told_without_reading():
    assert known_labels(ImageSet((IMAGES * 255).byte(), LABELS, ("a", "b", "c"))).equal(LABELS)
    assert known_labels([(IMAGES[:4], LABELS[:4]), (IMAGES[4:], LABELS[4:])]).equal(LABELS)
    assert known_labels(TensorDataset(IMAGES, LABELS)) is None
