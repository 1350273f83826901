"""Ways to run a plan that might lose less accuracy: each beside the one that the others start from.

The runs of a seed take turns, an epoch each, from the same weights.

    python benchmarks/bench_ways.py --seeds 3
"""

import argparse
from dataclasses import replace
from typing import Any

from record import record

from imprint.data import load
from imprint.training import TrainSettings
from imprint.training.building import build_trainer
from imprint.types import DataSplits

START = TrainSettings(
    model="conv4",
    epochs=16,
    batch_size=128,
    batch_shrink=0.5,
    skip="imprint",
    keep=0.34,
    familiarity=False,
    device="cpu",
)
WAYS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "batches of full size": {"batch_shrink": 0.0},
    "as many steps": {"batch_shrink": 1.0},
    "no dense start": {"dense_start": 0.0},
    "a dense end": {"dense_end": 0.07},
    "a lower rate": {"lr": 0.14},
    "the top alone": {"skip": "top"},
    "24 epochs, two thirds the share": {"epochs": 24, "keep": 0.227},
}


def measure(data: DataSplits, seed: int) -> list[dict[str, Any]]:
    """Train each way, in turns."""
    trainers = {
        name: build_trainer(data, replace(START, seed=seed, **way)) for name, way in WAYS.items()
    }
    trainers["as it is"].warm_up()
    while any(not trainer.finished for trainer in trainers.values()):
        for trainer in trainers.values():
            if not trainer.finished:
                trainer.train_epoch()
    return [
        {
            "way": name,
            "seed": seed,
            "accuracy": trainer.epochs[-1]["test_accuracy"],
            "seconds": sum(row["train_seconds"] for row in trainer.epochs),
            "images_trained": sum(row["images_trained"] for row in trainer.epochs),
        }
        for name, trainer in trainers.items()
    ]


def main() -> None:
    """Measure and write `results/ways.json`, anew after each seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    data, rows = load(options.data), []
    for seed in range(options.seeds):
        rows += measure(data, seed)
        print(*rows[-len(WAYS) :], sep="\n", flush=True)
        record("ways", {"data": options.data, "keep": START.keep, "rows": rows})


if __name__ == "__main__":
    main()
