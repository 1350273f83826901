"""The paper's undefined loss, on purpose: training on maps before the activation, and ways out.

A base network (with ReLU, or with leaky ReLU) is trained on 6,000 images of MNIST, then trained on
with each first-layer map an image. Each case is run at several learning rates with the negative log
likelihood as softmax and then a logarithm, and as one function; until it is not finite.

python benchmarks/bench_nan.py
"""

import argparse
import copy
import statistics
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
from record import record
from torch import Tensor, nn

from imprint.data import batches_of, load
from imprint.models import paper
from imprint.on_maps import MapSettings
from imprint.training import Trained, TrainSettings, load_trained, map_splits, train
from imprint.training.loss_course import LOSSES, LossStep, loss_course
from imprint.types import DataSplits, ImageSet

RATES = (0.01, 0.1, 0.4)
MOMENTUM, BATCH = 0.5, 64


class Case(NamedTuple):
    """What is trained on."""

    name: str
    base: str
    stage: str
    normalised: bool


CASES = (
    Case("before the activation", "paper", "before-activation", normalised=False),
    Case("after the activation", "paper", "after-activation", normalised=False),
    Case("leaky ReLU, before", "leaky", "before-activation", normalised=False),
    Case("leaky ReLU, after", "leaky", "after-activation", normalised=False),
    Case("normalised, before", "paper", "before-activation", normalised=True),
)


def leaky(shape: tuple[int, int, int], num_classes: int) -> nn.Module:
    """The paper's network with leaky ReLUs."""
    model = paper(shape, num_classes)
    for name, module in list(model.named_children()):
        if isinstance(module, nn.ReLU):
            setattr(model, name, nn.LeakyReLU())
    return model


def small(images: int) -> DataSplits:
    """The first images of MNIST."""
    whole = load("mnist")
    train_part, test = (
        ImageSet(part.images[:count], part.labels[:count], part.class_names)
        for part, count in ((whole.train, images), (whole.test, 2000))
    )
    return DataSplits("mnist", train_part, test)


def bases(data: DataSplits, folder: Path) -> dict[str, Trained]:
    """A trained network of each kind."""
    found = {}
    for name, model in (("paper", "paper"), ("leaky", f"{Path(__file__).resolve()}:leaky")):
        settings = TrainSettings(
            model=model, epochs=6, batch_size=BATCH, lr=0.05, device="cpu", seed=0
        )
        result = train(data, settings, out=folder / name)
        print(f"base {name}: {result['test_accuracy']:.2%}", flush=True)
        found[name] = load_trained(folder / name)
    return found


def batches(maps: DataSplits, steps: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The first batches of an epoch."""
    made = batches_of(maps.train, BATCH, maps.train.normalisation, seed=seed, shape=maps.shape)
    return ((batch.images, batch.labels) for batch in islice(made.epoch(0), steps))


def summed_up(rows: list[LossStep], steps: int) -> dict[str, Any]:
    """What a run came to."""
    last = rows[-1]
    return {
        "undefined_at_step": last.step if len(rows) < steps else None,
        "last_loss": last.loss,
        "largest_logit_gap": max(row.logit_gap for row in rows),
        "true_class_underflowed": last.underflowed,
        "first_gradient_norm": rows[0].gradient_norm,
        "last_gradient_norm": last.gradient_norm,
        "largest_gradient_norm_before": max((row.gradient_norm for row in rows[:-1]), default=None),
        "dead_relus": last.dead_relus,
    }


def run(case: Case, base: Trained, maps: DataSplits, steps: int, seeds: int) -> dict[str, Any]:
    """All rates and losses of a case."""
    images = maps.train.images
    found: dict[str, Any] = {
        "negative": float((images < 0).float().mean()),
        "least": float(images.min()),
        "most": float(images.max()),
    }
    for rate in RATES:
        for loss in LOSSES:
            runs = [
                summed_up(
                    loss_course(
                        copy.deepcopy(base.model),
                        batches(maps, steps, seed),
                        loss=loss,
                        lr=rate,
                        momentum=MOMENTUM,
                    ),
                    steps,
                )
                for seed in range(seeds)
            ]
            ended = [each["undefined_at_step"] for each in runs]
            shown = statistics.median(each["last_loss"] for each in runs)
            print(
                f"{case.name:24} lr {rate:<5} {loss:15} undefined {ended} loss {shown:.3g}",
                flush=True,
            )
            found[f"lr {rate}, {loss}"] = runs
    return found


def main() -> None:
    """Run all cases, and write `results/nan.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", type=int, default=6000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = small(options.images)
    with tempfile.TemporaryDirectory() as folder:
        trained, cases = bases(data, Path(folder)), {}
        for case in CASES:
            settings = MapSettings(
                layer="conv1", stage=case.stage, form="each", normalised=case.normalised
            )
            store = Path(folder) / f"{case.base} {case.stage}"
            maps = map_splits(data, trained[case.base], settings, store)
            cases[case.name] = run(case, trained[case.base], maps, options.steps, options.seeds)
    about = {"images": options.images, "steps": options.steps, "momentum": MOMENTUM, "batch": BATCH}
    print(record("nan", about | {"cases": cases}))


if __name__ == "__main__":
    main()
