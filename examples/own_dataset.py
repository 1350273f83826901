"""A map-style data set of your own, and what a gate makes of it against plain training.

python examples/own_dataset.py
"""

import torch
from torch.utils.data import Dataset, Subset

import imprint
from imprint.data import from_dataset


class Shapes(Dataset[tuple[torch.Tensor, str]]):
    """Squares and crosses on noise; labels are words, images floats in [0, 1]."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[torch.Tensor, str]:
        generator = torch.Generator().manual_seed(index)
        image = torch.rand(3, 24, 24, generator=generator) / 2
        top, left = torch.randint(14, (2,), generator=generator).tolist()
        if index % 3:
            image[:, top : top + 10, left + 4 : left + 6] = 1
            image[:, top + 4 : top + 6, left : left + 10] = 1
            return image, "cross"
        image[:, top : top + 10, left : left + 10] = 1
        return image, "square"


shapes = Shapes(1500)
splits = imprint.DataSplits(
    "shapes",
    train=from_dataset(Subset(shapes, range(1200))),
    test=from_dataset(Subset(shapes, range(1200, 1500))),
)
settings = imprint.TrainSettings(epochs=4, batch_size=60, keep=0.4, lr=0.05)
result = imprint.train(splits, settings, compare=True)
for name in ("plain", "skip"):
    run = result[name]
    print(f"{name}: accuracy {run['test_accuracy']:.2%}, {run['images_trained']:,} images trained")
