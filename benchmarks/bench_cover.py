"""A plan that sets its own keep ratio: what a share of the loss (`cover`) saves, and what it costs.

On three data sets, of which only the first two were looked at when the default of `imprint-auto`
was chosen. Runs of a seed take turns, an epoch each. `random` is the control: as many images as
the `CONTROLLED` cover trained, by chance, right after it and not in turn.

    python benchmarks/bench_cover.py --seeds 3
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from record import record

from imprint.data import load
from imprint.training import TrainSettings
from imprint.training.building import build_trainer
from imprint.training.trainer import Trainer
from imprint.types import DataSplits

COVERS = (0.99, 0.96, 0.9)
CONTROLLED = 0.96

BASE = TrainSettings(
    model="conv4", batch_size=128, batch_shrink=0.5, familiarity=False, device="cpu"
)
EPOCHS = {"fashion-mnist": 16, "cifar10": 8, "mnist": 4}
"""The data sets, and how long each is trained on."""


def run(trainers: dict[str, Trainer], epochs: int) -> dict[str, dict[str, float]]:
    """Train in turns; what each came to."""
    for epoch in range(epochs):
        names = list(trainers)
        for name in names[epoch % len(names) :] + names[: epoch % len(names)]:
            trainers[name].train_epoch()
    return {name: outcome(trainer) for name, trainer in trainers.items()}


def outcome(trainer: Trainer) -> dict[str, float]:
    """What a run came to, and the share of the images that it trained on."""
    rows = trainer.epochs
    trained, seen = (sum(row[key] for row in rows) for key in ("images_trained", "images_seen"))
    return {
        "accuracy": rows[-1]["test_accuracy"],
        "seconds": sum(row["train_seconds"] for row in rows),
        "share": trained / seen,
    }


def measure(data: DataSplits, epochs: int, seed: int) -> dict[str, dict[str, float]]:
    """Train plainly, with each cover, and with the control."""
    base = replace(BASE, epochs=epochs, seed=seed)
    ways = {"plain": base} | {
        f"cover {cover}": replace(base, skip="imprint", cover=cover) for cover in COVERS
    }
    trainers = {name: build_trainer(data, way) for name, way in ways.items()}
    trainers["plain"].warm_up()
    outcomes = run(trainers, epochs)
    share = outcomes[f"cover {CONTROLLED}"]["share"]
    same = replace(base, skip="random", keep=share, dense_start=0.0)
    return outcomes | run({f"random, as many as {CONTROLLED}": build_trainer(data, same)}, epochs)


def compare(seeds: Sequence[dict[str, dict[str, float]]]) -> list[dict[str, Any]]:
    """Each way beside plain training, a value a seed."""
    return [
        {
            "way": name,
            "share": [seed[name]["share"] for seed in seeds],
            "time_saved": [1 - seed[name]["seconds"] / seed["plain"]["seconds"] for seed in seeds],
            "accuracy": [seed[name]["accuracy"] for seed in seeds],
            "difference": [seed[name]["accuracy"] - seed["plain"]["accuracy"] for seed in seeds],
        }
        for name in seeds[0]
    ]


def main() -> None:
    """Measure and write `results/cover.json`, anew after each seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    sets = {name: load(name) for name in EPOCHS}
    rows: dict[str, list[dict[str, dict[str, float]]]] = {name: [] for name in EPOCHS}
    for seed in range(options.seeds):
        for name, epochs in EPOCHS.items():
            rows[name].append(measure(sets[name], epochs, seed))
            print(seed, name, rows[name][-1], flush=True)
        figures = {name: compare(seeds) for name, seeds in rows.items()}
        record("cover", {"seeds": seed + 1, "epochs": EPOCHS, "sets": figures})


if __name__ == "__main__":
    main()
