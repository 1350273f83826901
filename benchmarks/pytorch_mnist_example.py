"""PyTorch's own MNIST example, rebuilt: what training on MNIST costs where nothing is tuned.

Network, optimizer, schedule and batch sizes are the example's, and each image goes the way that
torchvision takes it: array, PIL image, tensor, normalised tensor, one at a time, in the process
that trains. Two things differ: batches are shuffled (the example does so on a GPU only), and
nothing is printed.

    python benchmarks/pytorch_mnist_example.py --target 0.99 --max-epochs 14
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, Dataset

from imprint.data import load
from imprint.types import ImageSet

BATCH, TEST_BATCH = 64, 1000
RATE, DECAY = 1.0, 0.7
MEAN, STD = (0.1307,), (0.3081,)


class Net(nn.Module):
    """Two convolutions, one pooling, two linear layers, dropout before each of these."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, 1)
        self.conv2 = nn.Conv2d(32, 64, 3, 1)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(9216, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Give log-probabilities `(N, 10)` of images `(N, 1, 28, 28)`."""
        maps = F.relu(self.conv2(F.relu(self.conv1(images))))
        flat = torch.flatten(self.dropout1(F.max_pool2d(maps, 2)), 1)
        hidden = self.dropout2(F.relu(self.fc1(flat)))
        return F.log_softmax(self.fc2(hidden), dim=1)


def to_tensor(image: Image.Image) -> Tensor:
    """Bring a PIL image to a float tensor `(C, H, W)` in [0, 1], as torchvision's ToTensor does."""
    pixels = torch.from_numpy(np.array(image, np.uint8, copy=True))
    pixels = pixels.view(image.size[1], image.size[0], len(image.getbands()))
    return pixels.permute((2, 0, 1)).contiguous().to(dtype=torch.get_default_dtype()).div(255)


def normalise(image: Tensor) -> Tensor:
    """Subtract the mean and divide by the deviation, as torchvision's Normalize does."""
    image = image.clone()
    mean = torch.as_tensor(MEAN, dtype=image.dtype, device=image.device).view(-1, 1, 1)
    std = torch.as_tensor(STD, dtype=image.dtype, device=image.device).view(-1, 1, 1)
    return image.sub_(mean).div_(std)


class Mnist(Dataset[tuple[Tensor, int]]):
    """MNIST as torchvision gives it: an item is a transformed image and its label.

    Args:
        images: greyscale images in memory.
        transforms: applied to each PIL image, one after the other.
    """

    def __init__(self, images: ImageSet, transforms: tuple[Callable[[Any], Any], ...]) -> None:
        self.data = images.images[:, 0]
        self.targets = images.labels
        self.transforms = transforms

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        item: Any = Image.fromarray(self.data[index].numpy())
        for transform in self.transforms:
            item = transform(item)
        return item, int(self.targets[index])


def train_epoch(
    model: nn.Module, loader: DataLoader[Any], optimizer: torch.optim.Optimizer
) -> None:
    """Train for one epoch, a step a batch."""
    model.train()
    for images, labels in loader:
        optimizer.zero_grad()
        F.nll_loss(model(images), labels).backward()
        optimizer.step()


@torch.no_grad()
def accuracy(model: nn.Module, loader: DataLoader[Any]) -> float:
    """Give the share of test images that are answered rightly."""
    model.eval()
    right = sum(int((model(images).argmax(1) == labels).sum()) for images, labels in loader)
    return right / len(loader.dataset)  # type: ignore[arg-type]


def run(target: float, max_epochs: int, seed: int) -> dict[str, Any]:
    """Train until the test accuracy after an epoch reaches a target.

    Args:
        target: the accuracy to reach, in (0, 1].
        max_epochs: where to stop if it is not reached.
        seed: of weights, dropout and order.

    Returns:
        `reached`, `epochs`, `test_accuracy` (a list, one an epoch), `train_seconds` (loading and
        training, tests not counted), `epoch_seconds` (the same, one an epoch), `threads`, `seed`.
    """
    data = load("mnist")
    transforms = (to_tensor, normalise)
    test_loader = DataLoader(Mnist(data.test, transforms), batch_size=TEST_BATCH)
    accuracies: list[float] = []
    seconds: list[float] = []
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        train_loader = DataLoader(Mnist(data.train, transforms), batch_size=BATCH, shuffle=True)
        model = Net()
        optimizer = torch.optim.Adadelta(model.parameters(), lr=RATE)
        schedule = StepLR(optimizer, step_size=1, gamma=DECAY)
        while len(accuracies) < max_epochs and not (accuracies and accuracies[-1] >= target):
            start = time.perf_counter()
            train_epoch(model, train_loader, optimizer)
            seconds.append(time.perf_counter() - start)
            accuracies.append(accuracy(model, test_loader))
            schedule.step()
    return {
        "reached": accuracies[-1] >= target,
        "epochs": len(accuracies),
        "test_accuracy": accuracies,
        "train_seconds": sum(seconds),
        "epoch_seconds": seconds,
        "threads": torch.get_num_threads(),
        "seed": seed,
    }


def main() -> None:
    """Run the example and print its result as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", type=float, default=0.99)
    parser.add_argument("--max-epochs", type=int, default=14)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(json.dumps(run(options.target, options.max_epochs, options.seed), indent=2))


if __name__ == "__main__":
    main()
