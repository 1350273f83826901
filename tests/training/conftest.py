"""A data set small enough to train on within a test: four classes of bars, with noise."""

import pytest
import torch

from imprint.types import DataSplits, ImageSet


def bars(n, seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 4
    images = torch.randint(0, 120, (n, 1, 16, 16), generator=generator, dtype=torch.uint8)
    for i, label in enumerate(labels.tolist()):
        start = int(torch.randint(2, 12, (1,), generator=generator))
        rows = images[i, 0] if label % 2 else images[i, 0].T
        rows[start : start + (1 if label < 2 else 3)] = 250
    return ImageSet(images, labels, ("thin column", "thin row", "thick column", "thick row"))


@pytest.fixture(scope="session")
def splits():
    return DataSplits("bars", bars(512, 0), bars(128, 1), ("crop",))
