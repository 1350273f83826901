"""Batch norm after hard-first training: the statistics that training left, or anew from all images.

A network is trained, tested, given the statistics of images drawn from all, and tested again.

    python benchmarks/bench_batch_norm.py
"""

import argparse
from dataclasses import replace
from typing import Any

from record import record

from imprint.data import batches_of, load, normalisation
from imprint.training import TrainSettings
from imprint.training.building import build_trainer
from imprint.training.evaluation import class_hits
from imprint.training.normalization import renew_batch_norm
from imprint.types import DataSplits

BASE = TrainSettings(model="conv4", batch_size=128, keep=0.35, familiarity=False)

WAYS: dict[str, TrainSettings] = {
    "plain": BASE,
    "random": replace(BASE, skip="random"),
    "imprint": replace(BASE, skip="imprint"),
    "imprint, dense end": replace(BASE, skip="imprint", dense_end=0.125),
}


def run(data: DataSplits, name: str, settings: TrainSettings) -> dict[str, Any]:
    """Train one network and test it twice."""
    trainer = build_trainer(data, settings)
    while not trainer.finished:
        trainer.train_epoch()
    scale = normalisation(data.train.images)
    size, names = settings.batch_size, data.augmentations
    training = batches_of(data.train, size, scale, augmentations=names, channels_last=True)
    testing = batches_of(data.test, 1000, scale, shuffle=False, drop_last=False)
    renew_batch_norm(trainer.model, training.epoch(settings.epochs))
    right, total = class_hits(trainer.model, testing.epoch(0), data.num_classes)
    row = {"method": name, "seed": settings.seed, "left": trainer.epochs[-1]["test_accuracy"]}
    return row | {"renewed": int(right.sum()) / int(total.sum())}


def main() -> None:
    """Train and write `results/batch_norm.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    data, rows = load(options.data), []
    for seed in range(options.seeds):
        for name, way in WAYS.items():
            settings = replace(way, epochs=options.epochs, seed=seed, device="cpu")
            rows.append(run(data, name, settings))
            print(rows[-1], flush=True)
    about = {"model": BASE.model, "keep": BASE.keep, "batch_size": BASE.batch_size}
    print(record("batch_norm", vars(options) | about | {"rows": rows}))


if __name__ == "__main__":
    main()
