"""Exits under a limit on what they cost where none answers: time saved, and that cost, measured.

    python benchmarks/bench_exit_overhead.py

The networks of `bench_exits.py`, which trains them where they are not there yet; batches of 256;
half of the test images calibrate, the other half measure. Freed memory is kept, as by the command.
"""

import argparse
from dataclasses import replace
from typing import Any, get_args

import torch
from bench_exits import network
from record import record
from torch import Tensor, nn

from imprint.allocator import keep_freed_memory
from imprint.answering import ExitSettings, answer_early
from imprint.answering.speed import measure_speed
from imprint.data import load, normalise
from imprint.early_exit import EarlyExit
from imprint.taps import channels_last
from imprint.training.settings import Precision

CASES = {"cifar10": (20, 12), "fashion-mnist": (8, 0), "mnist": (3, 0)}
LIMIT = 0.03
NEVER = 1e9
"""A threshold that no margin reaches, at which exits are asked all the same."""


def overhead(model: nn.Module, exits: EarlyExit, images: Tensor) -> dict[str, float]:
    """What exits cost where none is ever taken, as a share of the full network's time."""
    asked = tuple(replace(own, threshold=NEVER) for own in exits.exits)
    speed = measure_speed(model, replace(exits, exits=asked), images, 256)
    return {name: getattr(speed, name) - 1 for name in ("ratio", "low", "high")}


def main() -> None:
    """Measure, and write `results/exit_overhead.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--precision", choices=get_args(Precision), default="bf16")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    rows: list[dict[str, Any]] = []
    for data, (epochs, again) in CASES.items():
        trained = network(data, epochs, again=again, precision=options.precision)
        splits, model, scale = load(data), channels_last(trained.model), trained.normalisation
        images = normalise(splits.test.images[:2048], scale, channels_last=True)
        settings = ExitSettings(max_overhead=LIMIT, measured_batches=(256,))
        found = answer_early(model, splits.train, splits.test, scale, settings=settings)
        shown = {name: found.result[name] for name in ("head", "exits", "extra_error", "speed")}
        cost = overhead(model, found.exits, images) if found.exits.exits else None
        rows.append({"data": data, **shown, "overhead": cost})
        print(rows[-1], flush=True)
    print(record("exit_overhead", {"limit": LIMIT, "precision": options.precision, "rows": rows}))


if __name__ == "__main__":
    main()
