"""Results to make reports of, as a run leaves them."""

import pytest
import torch

from imprint.training import TrainSettings, train
from imprint.types import DataSplits, ImageSet

SETTINGS = {"epochs": 3, "batch_size": 32, "device": "cpu", "lr": 0.1}


def splits_of(num_classes, n=256, names=None):
    generator = torch.Generator().manual_seed(num_classes)
    labels = torch.arange(n) % num_classes
    images = torch.randint(0, 60, (n, 3, 12, 12), dtype=torch.uint8, generator=generator)
    images[torch.arange(n), labels % 3, labels // 3 % 12] = 250
    names = names or tuple(f"class {k}" for k in range(num_classes))
    image_set = ImageSet(images, labels, names)
    return DataSplits("stripes", image_set, image_set)


@pytest.fixture(scope="session")
def comparison():
    splits = splits_of(5)
    return train(splits, TrainSettings(**SETTINGS), compare=True), splits.train
