"""What gate and plan cost where they leave nothing out: training at keep 1 beside plain training.

An epoch each in turn, whoever was first coming last in the next, on the same batches; each network
on its own part of CIFAR-10. The first epoch of each run does not count. A second plain run is the
control: what it differs by is chance.

    python benchmarks/bench_keep_one.py
"""

import argparse
from dataclasses import replace
from statistics import median
from typing import Any

from record import record

from imprint.data import load
from imprint.training import TrainSettings
from imprint.training.building import build_trainer
from imprint.types import DataSplits, ImageSet

SIZES = {"conv4": 10_000, "resnet8": 4_000, "resnet20": 1_500}
"""Images that each network trains on in an epoch."""

BASE = TrainSettings(keep=1.0, dense_start=0.0, familiarity=False, batch_size=128, device="cpu")

WAYS: dict[str, TrainSettings] = {
    "plain": BASE,
    "plain again": BASE,
    "plan": replace(BASE, skip="imprint"),
    "gate": replace(BASE, skip="imprint", tier="gate"),
    "both": replace(BASE, skip="imprint", tier="both"),
}


def part(images: ImageSet, count: int) -> ImageSet:
    """Take the first images of a set."""
    return replace(images, images=images.images[:count], labels=images.labels[:count])


def measure(data: DataSplits, model: str, epochs: int) -> dict[str, Any]:
    """Seconds of each epoch, and how much more than plain's the same epoch took, by the way."""
    fewer = replace(data, train=part(data.train, SIZES[model]), test=part(data.test, 100))
    settings = {
        name: replace(way, model=model, epochs=1 + epochs, seed=0) for name, way in WAYS.items()
    }
    trainers = {name: build_trainer(fewer, way) for name, way in settings.items()}
    trainers["plain"].warm_up()
    names = list(trainers)
    seconds: dict[str, list[float]] = {name: [] for name in trainers}
    for epoch in range(1 + epochs):
        turn = epoch % len(names)
        for name in names[turn:] + names[:turn]:
            took = trainers[name].train_epoch()["train_seconds"]
            seconds[name] += [took] if epoch else []
    plain = seconds["plain"]
    more = {
        name: [own / usual - 1 for own, usual in zip(took, plain, strict=True)]
        for name, took in seconds.items()
    }
    return {
        name: {"seconds": seconds[name], "more": more[name], "median_more": median(more[name])}
        for name in trainers
    }


def main() -> None:
    """Measure and write `results/keep_one.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    data, networks = load("cifar10"), {}
    for model in SIZES:
        networks[model] = measure(data, model, options.epochs)
        print(
            model, {name: row["median_more"] for name, row in networks[model].items()}, flush=True
        )
    print(record("keep_one", vars(options) | {"images": SIZES, "networks": networks}))


if __name__ == "__main__":
    main()
