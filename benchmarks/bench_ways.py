"""Ways to run a plan that might lose less accuracy: each beside the one that the others start from.

The runs of a seed take turns, an epoch each, from the same weights.

    python benchmarks/bench_ways.py cifar10 --seeds 3
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
RESIDUAL = replace(START, model="resnet8", epochs=20, keep=0.5)

WAYS: dict[str, tuple[TrainSettings, dict[str, dict[str, Any]]]] = {
    "fashion-mnist": (
        START,
        {
            "as it is": {},
            "batches of full size": {"batch_shrink": 0.0},
            "as many steps": {"batch_shrink": 1.0},
            "no dense start": {"dense_start": 0.0},
            "a dense end": {"dense_end": 0.07},
            "a lower rate": {"lr": 0.14},
            "the top alone": {"skip": "top"},
            "24 epochs, two thirds the share": {"epochs": 24, "keep": 0.227},
        },
    ),
    "cifar10": (
        RESIDUAL,
        {
            "all layers learn to the end": {},
            "stem frozen after half": {"freeze_after": {"stem": 0.5}},
            "layer1 frozen after half": {"freeze_after": {"layer1": 0.5}},
        },
    ),
}
"""For a data set the settings that its ways start from, and in what each differs."""


def measure(
    data: DataSplits, start: TrainSettings, ways: dict[str, dict[str, Any]], seed: int
) -> list[dict[str, Any]]:
    """Train each way, in turns."""
    trainers = {
        name: build_trainer(data, replace(start, seed=seed, **way)) for name, way in ways.items()
    }
    next(iter(trainers.values())).warm_up()
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
    """Measure and write `results/ways_<data>.json`, anew after each seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", choices=WAYS, default="fashion-mnist")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    data, rows = load(options.data), []
    start, ways = WAYS[options.data]
    shared = {"data": options.data, "model": start.model, "keep": start.keep}
    for seed in range(options.seeds):
        rows += measure(data, start, ways, seed)
        print(*rows[-len(ways) :], sep="\n", flush=True)
        record(f"ways_{options.data}", {**shared, "rows": rows})


if __name__ == "__main__":
    main()
