"""White-box FGSM at epsilon 0.25 on networks trained on feature maps, in every way that we know.

    python benchmarks/bench_robust_maps.py

MNIST, the paper's network, equal epochs; nothing is trained on adversarial images. The controls are
the base network, the base trained as much longer, and the same extras without maps.
"""

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cached_property, partial
from multiprocessing import get_context
from statistics import mean, stdev
from typing import Any

import torch
import torch.nn.functional as F
from record import record
from torch import Tensor, nn

from imprint.on_maps import map_planes, stage_maps
from imprint.reproduce.base import BASE, percent, read
from imprint.reproduce.mapped import blurred, splits_of, trained
from imprint.robustness import fgsm, log_odds, transferred
from imprint.types import DataSplits, ImageSet

EPSILON = 0.25
SETTINGS = replace(BASE, batch_size=64, epochs=5)
TO_REACH = {"fgsm": 23.82, "clean": 97.0}

AFTER, BEFORE = "after-activation", "before-activation"

Weights = dict[str, Tensor]


class Ways:
    """Each way gives a network, from a base network and its data."""

    def __init__(self, data: DataSplits, seed: int) -> None:
        self.data, self.settings = data, replace(SETTINGS, seed=seed)
        self.base = self._train(data)

    def planes(self, layer: str, stage: Any, form: Any) -> Tensor:
        """Maps of all training images."""
        parts = torch.split(self.data.train.images, 500)
        maps = torch.cat([stage_maps(self.base, layer, stage, p / 255).half() for p in parts])
        return map_planes(maps, form)

    @cached_property
    def mean_after(self) -> Tensor:
        """The mean of the first layer's maps after the activation, as all of these taken once."""
        return self.planes("conv1", AFTER, "mean")

    @cached_property
    def mean_before(self) -> Tensor:
        """The same before the activation."""
        return self.planes("conv1", BEFORE, "mean")

    @cached_property
    def energy_before(self) -> Tensor:
        """The energy of the first layer's maps before the activation."""
        return self.planes("conv1", BEFORE, "energy")

    @cached_property
    def mean_conv2(self) -> Tensor:
        """The mean of the second layer's maps after the activation."""
        return self.planes("conv2", AFTER, "mean")

    def _train(self, data: DataSplits, start: Weights | None = None, **other: Any) -> nn.Module:
        settings = replace(self.settings, **other)
        return trained(data, settings, start).model

    def on_maps(self, planes: Tensor, *, fresh: bool = False, **other: Any) -> nn.Module:
        """Maps in the place of images."""
        start = None if fresh else self.base.state_dict()
        return self._train(splits_of(self.data, planes), start, **other)

    def then_images(self, planes: Tensor, **other: Any) -> nn.Module:
        """Maps first, fresh weights, then the images for an epoch."""
        maps = self.on_maps(planes, fresh=True)
        return self._train(self.data, maps.state_dict(), epochs=1, **other)

    def beside_images(self, planes: Tensor, **other: Any) -> nn.Module:
        """Images and maps together, fresh weights."""
        return self._train(_beside(self.data, planes), **other)

    def longer(self, **other: Any) -> nn.Module:
        """The base, trained twice as long."""
        return self._train(self.data, epochs=2 * SETTINGS.epochs, **other)

    def decayed(self, decay: float) -> nn.Module:
        """The base with weight decay."""
        return self._train(self.data, weight_decay=decay)


def _beside(data: DataSplits, planes: Tensor) -> DataSplits:
    """Images and maps as one training set; maps are brought to the images' size."""
    maps = splits_of(data, planes).train
    sized = F.interpolate(maps.images.float(), data.shape[1:], mode="bilinear").half()
    images = torch.cat([data.train.images.half() / 255, sized])
    labels = torch.cat([data.train.labels, maps.labels])
    return replace(data, train=ImageSet(images, labels, maps.class_names))


WAYS: dict[str, Callable[[Ways], nn.Module]] = {
    "base": lambda own: own.base,
    "base, twice as long": lambda own: own.longer(),
    "base, weight decay 0.005": lambda own: own.decayed(0.005),
    "mean of conv1": lambda own: own.on_maps(own.mean_after),
    "mean of conv1, fresh": lambda own: own.on_maps(own.mean_after, fresh=True),
    "each of conv1, 1 epoch": lambda own: own.on_maps(own.planes("conv1", AFTER, "each"), epochs=1),
    "mean before the activation": lambda own: own.on_maps(own.mean_before),
    "energy before the activation": lambda own: own.on_maps(own.energy_before),
    "mean of conv2": lambda own: own.on_maps(own.mean_conv2),
    "mean of conv1, then images": lambda own: own.then_images(own.mean_after),
    "mean before, then images": lambda own: own.then_images(own.mean_before),
    "energy before, then images": lambda own: own.then_images(own.energy_before),
    "images beside mean of conv1": lambda own: own.beside_images(own.mean_after),
    "images beside mean before": lambda own: own.beside_images(own.mean_before),
    "images beside mean before, twice as long": lambda own: own.beside_images(
        own.mean_before, epochs=2 * SETTINGS.epochs
    ),
    "images beside energy before": lambda own: own.beside_images(own.energy_before),
    "images beside mean of conv2": lambda own: own.beside_images(own.mean_conv2),
    "mean of conv1, weight decay 0.005": lambda own: own.on_maps(
        own.mean_after, weight_decay=0.005
    ),
    "blurred images (control)": lambda own: own.on_maps(blurred(own.data.train)),
    "images beside blurred (control)": lambda own: own.beside_images(blurred(own.data.train)),
}


def judged(model: nn.Module, test: ImageSet) -> dict[str, float]:
    """Accuracy on images, and on those made on itself, by both losses, in %."""
    attacks = {"fgsm": fgsm, "fgsm_log_odds": partial(fgsm, loss=log_odds)}
    right = {
        name: transferred(model, [model], test.images, test.labels, epsilon=EPSILON, attack=own)[0]
        for name, own in attacks.items()
    }
    return {
        "clean": percent(model, test),
        **{name: 100 * n / len(test) for name, n in right.items()},
    }


def all_ways(seed: int) -> dict[str, dict[str, float]]:
    """Train and attack each way, in a process of one thread."""
    torch.set_num_threads(1)
    data = read("mnist")
    own, rows = Ways(data, seed), {}
    for name, way in WAYS.items():
        rows[name] = judged(way(own), data.test)
        print(seed, name, rows[name], flush=True)
    return rows


def main() -> None:
    """Do so with each seed, and write `results/robust_maps.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2, help="Seeds side by side.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with ProcessPoolExecutor(options.workers, get_context("spawn")) as pool:
        found = list(pool.map(all_ways, range(options.seeds)))
    rows = {name: [own[name] for own in found] for name in WAYS}
    summary = [
        {
            "way": name,
            **{
                key: [mean(row[key] for row in each), _deviation([row[key] for row in each])]
                for key in each[0]
            },
        }
        for name, each in rows.items()
    ]
    figures = {"epsilon": EPSILON, "seeds": options.seeds, "epochs": SETTINGS.epochs}
    print(record("robust_maps", figures | {"ways": summary, "runs": rows, "to_reach": TO_REACH}))


def _deviation(values: list[float]) -> float:
    return stdev(values) if len(values) > 1 else 0.0


if __name__ == "__main__":
    main()
