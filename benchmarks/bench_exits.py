"""Early exits of a ResNet-20: seconds and accuracy, beside the full network and other ways.

    python benchmarks/bench_exits.py cifar10 --epochs 20 --again 12    # trains first
    python benchmarks/bench_exits.py mnist --epochs 3
    python benchmarks/bench_exits.py fashion-mnist --epochs 8
    python benchmarks/bench_exits.py cifar10 --epochs 20 --again 12 --first-again 30

One run of each data set; half of the test images calibrate, the other half measure. A ResNet-8,
trained for as many epochs, stands beside; with `--first-again`, trained for so many more, it is
asked first. A processor without bfloat16 trains several times faster with `--precision 32`.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, get_args

import torch
from record import record
from torch import Tensor, nn

from imprint.answering import ExitSettings, ExportedNetwork, answer_early, export_exits
from imprint.answering.speed import measure_speed
from imprint.attacking import AttackSettings, attack
from imprint.benchmarking import bench_exits
from imprint.data import load, normalise
from imprint.early_exit import EarlyExit, WithExits
from imprint.robustness import on_pixels
from imprint.taps import channels_last, clock_of, take_turns
from imprint.training import Trained, TrainSettings, load_trained, train
from imprint.training.settings import Precision
from imprint.types import ImageSet

SIZES = (1, 32, 256)
CASES = {
    "early_exit": ExitSettings(),
    "early_exit_for_batches_of_1": ExitSettings(head="mlp", batch_size=1, measured_batches=(1,)),
}
EPSILONS = (0.0, 2 / 255, 8 / 255, 0.1)
ATTACKED = 500
TO_REACH = {
    "cifar10": {"time_256": 0.5, "latency_1": 0.6},
    "mnist": {"time_256": 0.3},
    "fashion-mnist": {"time_256": 0.45},
}


def network(
    data: str,
    epochs: int,
    model: str = "resnet20",
    again: int = 0,
    precision: Precision = "bf16",
) -> Trained:
    """The network of a run, trained where there is none yet; `again` epochs more from its end."""
    folder = Path("runs") / f"exits-{model}-{data}-{epochs}-{precision}"
    trained = _trained(folder, data, TrainSettings(model=model, epochs=epochs, precision=precision))
    if not again:
        return trained
    settings = TrainSettings(model=model, epochs=again, precision=precision, lr=0.1, seed=1)
    start = trained.model.state_dict()
    return _trained(folder.with_name(f"{folder.name}-and-{again}"), data, settings, start)


def _trained(folder: Path, data: str, settings: TrainSettings, start: Any = None) -> Trained:
    if not (folder / "result.json").is_file():
        train(load(data), settings, out=folder, resume=folder.is_dir(), start=start)
    return load_trained(folder)


def overhead(model: nn.Module, exits: EarlyExit, images: Tensor) -> dict[str, float]:
    """What exits cost where none is ever taken, as a share of the full network's time."""
    closed = replace(exits, exits=tuple(replace(own, threshold=torch.inf) for own in exits.exits))
    return {str(n): measure_speed(model, closed, images, n).ratio - 1 for n in SIZES}


def exported(trained: Trained, exits: EarlyExit, part: ImageSet, threads: int) -> dict[str, Any]:
    """Seconds of onnxruntime with exits to those without, and how often the answers agree."""
    pixels = part.images.numpy()
    with tempfile.TemporaryDirectory() as place:
        networks = {}
        for name, own in (("full", EarlyExit(())), ("early", exits)):
            folder = export_exits(
                trained.model,
                own,
                Path(place) / name,
                shape=trained.shape,
                class_names=trained.class_names,
                normalisation=trained.normalisation,
            )
            networks[name] = ExportedNetwork.load(folder, threads=threads)
        ratios = {}
        for size, count in ((1, 400), (32, 2048), (256, 2048)):
            turns = take_turns(
                {name: _answering(own, pixels[:count], size) for name, own in networks.items()},
                seconds=20,
                clock=clock_of(torch.device("cpu")),
            )
            pairs = zip(turns["early"], turns["full"], strict=True)
            ratios[str(size)] = median(early / full for early, full in pairs)
        onnx_answers, taken = networks["early"].answer(pixels[:1000])
    return {"time_ratio": ratios} | _agreement(trained, exits, part, onnx_answers, taken)


def _answering(own: ExportedNetwork, pixels: Any, size: int) -> Callable[[], float]:
    clock = clock_of(torch.device("cpu"))

    def answer() -> float:
        start = clock()
        for first in range(0, len(pixels), size):
            own.answer(pixels[first : first + size])
        return clock() - start

    return answer


@torch.inference_mode()
def _agreement(
    trained: Trained, exits: EarlyExit, part: ImageSet, answers: Any, taken: Any
) -> dict[str, float]:
    routes: list[Any] = []
    images = normalise(part.images[:1000], trained.normalisation)
    with exits(trained.model, routes.append):
        own = trained.model(images)
    return {
        "same_labels": float((own.argmax(1).numpy() == answers.argmax(1)).mean()),
        "same_exits": float((routes[0].taken.numpy() == taken).mean()),
    }


def side_by_side(trained: Trained, splits: Any, smaller: Trained) -> dict[str, Any]:
    """The published ways on the same network, and a smaller network."""

    def batches(part: ImageSet, rows: Tensor) -> list[tuple[Tensor, Tensor]]:
        return [
            (
                normalise(part.images[own], trained.normalisation, channels_last=True),
                part.labels[own],
            )
            for own in torch.split(rows, 256)
        ]

    order = torch.randperm(len(splits.test), generator=torch.Generator().manual_seed(0))
    fitting = torch.linspace(0, len(splits.train) - 1, 20_000).round().long()
    tuning, measuring = order.tensor_split(2)
    return bench_exits(
        channels_last(trained.model),
        batches(splits.train, fitting),
        batches(splits.test, tuning),
        batches(splits.test, measuring),
        smaller={"resnet8": channels_last(smaller.model)},
        on_stage=stage,
    )


def attacked(trained: Trained, exits: EarlyExit, part: ImageSet) -> list[dict[str, Any]]:
    """Accuracy of both, on images made on the full network and on the exits as they are."""
    few = replace(part, images=part.images[:ATTACKED], labels=part.labels[:ATTACKED])
    networks = {
        "full": on_pixels(trained.model, trained.normalisation),
        "early": on_pixels(WithExits(trained.model, exits).eval(), trained.normalisation),
    }
    rows: list[dict[str, Any]] = []
    for name, loss in (("fgsm", "cross-entropy"), ("fgsm", "log-odds"), ("pgd", "log-odds")):
        settings = AttackSettings(attack=name, epsilons=EPSILONS, loss=loss)
        found = attack(networks, few, settings=settings)
        rows += [{"attack": name, "loss": loss} | row for row in found.result["accuracy"]]
    return rows


def main() -> None:
    """Measure a data set, and write `results/exits_<data>.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", choices=TO_REACH, default="cifar10")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--again", type=int, default=0, help="Epochs more, from the first's end.")
    parser.add_argument("--first-again", type=int, help="A ResNet-8's, which is asked first.")
    parser.add_argument("--precision", choices=get_args(Precision), default="bf16")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    small = network(
        options.data, options.epochs, "resnet8", options.first_again or 0, options.precision
    )
    trained = network(
        options.data, options.epochs, again=options.again, precision=options.precision
    )
    splits = load(options.data)
    first = None if options.first_again is None else channels_last(small.model)
    model = channels_last(trained.model)
    exits: dict[str, EarlyExit] = {}
    shown: dict[str, Any] = {}
    for name, settings in CASES.items():
        found = answer_early(
            model, splits.train, splits.test, trained.normalisation,
            first=first, settings=settings, on_stage=stage,
        )  # fmt: skip
        exits[name], shown[name] = found.exits, _short(found.result)
    usual, at_one = exits.values()
    images = normalise(splits.test.images[:2048], trained.normalisation, channels_last=True)
    stage("overhead, onnx, side by side, attacks")
    figures = {
        "data": options.data,
        "epochs": [options.epochs, options.again],
        "first_epochs": None if first is None else [options.epochs, options.first_again],
        "precision": options.precision,
        "to_reach": TO_REACH[options.data],
        **shown,
        "overhead": overhead(model, usual, images) if usual.exits and first is None else {},
        "onnx": exported(trained, usual, splits.test, options.threads),
        "onnx_for_batches_of_1": exported(trained, at_one, splits.test, options.threads),
        "side_by_side": side_by_side(trained, splits, small),
        "attacked": attacked(trained, usual, splits.test) if usual.exits else [],
    }
    print(record(f"exits_{'' if first is None else 'first_'}{options.data}", figures))


def stage(name: str) -> None:
    """Say what begins, and when."""
    print(f"{time.strftime('%H:%M:%S')} {name}", flush=True)


def _short(result: dict[str, Any]) -> dict[str, Any]:
    left = ("settings", "versions", "class_names", "curve")
    return {key: value for key, value in result.items() if key not in left}


if __name__ == "__main__":
    main()
