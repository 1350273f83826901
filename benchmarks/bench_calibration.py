"""What more calibrating images are worth to early exits, and small steps from strict to loose.

The networks of `bench_exits.py`, which trains them where they are not there yet. Each draw takes
some of the test images to calibrate with, as `imprint early-exit` does; the time is the one that
calibration predicts, the extra error that of all test images. `coarse` is nearly what calibration
did before: rows of thresholds as they are priced, and a further layer for 1 % of the time that is
left. Small steps, and 5 % of it, were chosen on such draws; no promise depends on that.

    python benchmarks/bench_calibration.py
"""

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from statistics import mean
from typing import Any, get_args
from unittest import mock

import torch
from bench_exits import network
from record import record
from torch import Tensor, nn

from imprint.data import load, normalise
from imprint.early_exit import (
    Costs,
    EarlyExit,
    Outcomes,
    Promise,
    calibrated,
    calibration,
    expected_seconds,
    first_exits,
    tally_of,
)
from imprint.early_exit.calibration import choose_exits
from imprint.taps import channels_last
from imprint.training import Trained
from imprint.training.settings import Precision
from imprint.types import ImageSet

CASES: dict[str, tuple[str, int, int, int | None]] = {
    "cifar10, ResNet-8 first": ("cifar10", 20, 12, 60),
    "cifar10": ("cifar10", 20, 12, None),
    "fashion-mnist": ("fashion-mnist", 8, 0, None),
    "mnist": ("mnist", 3, 0, None),
}
"""Data, epochs, epochs more, and the epochs more of a ResNet-8 that is asked first."""

CALIBRATING = (2_000, 5_000, 8_000)
PROMISE = Promise()


def outcomes_of(
    trained: Trained, first: nn.Module | None, train: ImageSet, test: ImageSet
) -> tuple[Outcomes, Costs]:
    """How each layer answers all test images, and what it costs."""
    seen: list[tuple[Outcomes, Costs]] = []

    def watched(outcomes: Any, costs: Any, *given: Any, **options: Any) -> Any:
        seen.append((outcomes["mlp"], costs["mlp"]))
        return choose_exits(outcomes, costs, *given, **options)

    def pairs(part: ImageSet) -> list[tuple[Tensor, Tensor]]:
        scaled = normalise(part.images, trained.normalisation, channels_last=True)
        return list(zip(torch.split(scaled, 256), torch.split(part.labels, 256), strict=True))

    with mock.patch.object(calibrated, "choose_exits", watched):
        EarlyExit.calibrate(
            channels_last(trained.model),
            fit_on=pairs(train),
            promise_on=pairs(test),
            first=first,
            kinds=("mlp",),
        )
    return seen[0]


def before() -> AbstractContextManager[Any]:
    """Calibrate as it was done before."""
    stack = ExitStack()
    stack.enter_context(mock.patch.object(calibration, "finer", lambda rows, _: rows))
    stack.enter_context(mock.patch.object(calibration, "choose_layers", _greedy))
    return stack


_choose_layers = calibration.choose_layers


def _greedy(*given: Any) -> Any:
    with mock.patch.object(calibration, "WORTH", 0.01):
        return _choose_layers(*given)


WAYS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "coarse": before,
    "small": nullcontext,
}


def draw(outcomes: Outcomes, costs: Costs, count: int, seed: int) -> dict[str, float]:
    """Calibrate with some images; what that comes to on all of them."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(outcomes.full_right), generator=generator)[:count]
    choice = choose_exits({"mlp": outcomes.of(samples=rows)}, {"mlp": costs}, PROMISE, seed=seed)
    layers = list(choice.layers)
    if not layers:
        return {"time": 1.0, "extra_error": 0.0}
    own, paid = outcomes.of(layers=layers), costs.of(layers)
    exits = first_exits(own.margins, torch.tensor(choice.thresholds))
    harms, gains, samples = tally_of(own, exits)
    seconds = expected_seconds(exits, paid)
    return {"time": seconds / costs.whole, "extra_error": (harms - gains) / samples}


def summary(rows: list[dict[str, float]]) -> dict[str, float]:
    """What many draws come to."""
    times = sorted(row["time"] for row in rows)
    tenth = len(times) // 10
    return {
        "time_mean": mean(times),
        "time_low": times[tenth],
        "time_high": times[-1 - tenth],
        "no_exit": mean(time == 1.0 for time in times),
        "extra_error_mean": mean(row["extra_error"] for row in rows),
        "broken": mean(row["extra_error"] > PROMISE.max_extra_error for row in rows),
    }


def main() -> None:
    """Measure, and write `results/calibration.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--precision", choices=get_args(Precision), default="bf16")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows: list[dict[str, Any]] = []
    for case, (name, epochs, again, first) in CASES.items():
        trained = network(name, epochs, again=again, precision=options.precision)
        small = None
        if first is not None:
            small = channels_last(network(name, epochs, "resnet8", first, options.precision).model)
        splits = load(name)
        outcomes, costs = outcomes_of(trained, small, splits.train, splits.test)
        for count in CALIBRATING:
            for way, calibrating in WAYS.items():
                with calibrating():
                    draws = [draw(outcomes, costs, count, s) for s in range(options.draws)]
                rows.append({"case": case, "calibrating": count, "way": way, **summary(draws)})
                print(rows[-1], flush=True)
    figures = {"draws": options.draws, "precision": options.precision, "promise": PROMISE}
    print(record("calibration", figures | {"rows": rows}))


if __name__ == "__main__":
    main()
