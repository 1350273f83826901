"""A fifth of the labels made wrong: how many of them are suspected, and what holding back does.

Three ways to train, an epoch each in turn, the same seeds: plainly, with a plan, and with a plan
that holds suspects back. Tested on images whose labels are left as they are.

    python benchmarks/bench_suspects.py
"""

import argparse
from dataclasses import replace
from typing import Any

import torch
from record import record
from torch import Tensor

from imprint.data import load
from imprint.training import TrainSettings
from imprint.training.building import build_trainer
from imprint.training.trainer import Trainer
from imprint.types import DataSplits

BASE = TrainSettings(model="conv4", epochs=16, batch_size=128, keep=0.5, familiarity=False)

WAYS: dict[str, TrainSettings] = {
    "plain": BASE,
    "imprint": replace(BASE, skip="imprint"),
    "imprint-holding": replace(BASE, skip="imprint", hold_suspects=True),
}


def wrong_labels(labels: Tensor, num_classes: int, share: float, kind: str, seed: int) -> Tensor:
    """Make a share of the labels wrong: any other class, or with `pair` always the next one."""
    generator = torch.Generator().manual_seed(seed)
    wrong = torch.rand(len(labels), generator=generator) < share
    steps = torch.randint(1, num_classes, labels.shape, generator=generator)
    steps = steps if kind == "any" else torch.ones_like(steps)
    return (labels + steps * wrong) % num_classes


def found(trainer: Trainer, planted: Tensor) -> dict[str, float | None]:
    """Precision and recall of the suspects against the labels that were made wrong."""
    if trainer.tiers.suspects is None:
        return {"suspects": None, "precision": None, "recall": None}
    places = trainer.tiers.suspects.places()
    right = int(planted[places].sum())
    return {
        "suspects": len(places),
        "precision": right / len(places) if len(places) else None,
        "recall": right / int(planted.sum()) if planted.any() else None,
    }


def run(data: DataSplits, options: argparse.Namespace, seed: int) -> list[dict[str, Any]]:
    """One seed: a row a way to train."""
    true = data.train.labels
    labels = wrong_labels(true, data.num_classes, options.share, options.kind, seed)
    noisy = replace(data, train=replace(data.train, labels=labels))
    settings = {name: replace(way, epochs=options.epochs, seed=seed) for name, way in WAYS.items()}
    trainers = {name: build_trainer(noisy, way) for name, way in settings.items()}
    trainers["plain"].warm_up()
    for _ in range(options.epochs):
        for trainer in trainers.values():
            trainer.train_epoch()
    rows = []
    for name, trainer in trainers.items():
        accuracies = [row["test_accuracy"] for row in trainer.epochs]
        rows.append(
            {"method": name, "seed": seed, "accuracy": accuracies[-1], "best": max(accuracies)}
            | {"seconds": sum(row["train_seconds"] for row in trainer.epochs)}
            | found(trainer, labels != true)
        )
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Train and write `results/suspects-<kind>-<share>.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--share", type=float, default=0.2, help="of labels made wrong")
    parser.add_argument("--kind", choices=("any", "pair"), default="any")
    parser.add_argument("--epochs", type=int, default=BASE.epochs)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    data = load(options.data)
    rows = [row for seed in range(options.seeds) for row in run(data, options, seed)]
    figures = vars(options) | {"rows": rows}
    print(record(f"suspects_{options.kind}_{round(100 * options.share)}", figures))


if __name__ == "__main__":
    main()
