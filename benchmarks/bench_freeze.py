"""An epoch with a frozen prefix, its maps stored; frozen without a store; and with all trained.

Residual networks on images of CIFAR-10's form (noise: only time counts), frozen up to where the
prefix holds four fifths of the operations: of a step that trains all, and of a step that trains a
frozen network. Turns are taken epoch by epoch, in an order that rotates.

python benchmarks/bench_freeze.py
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from record import record
from torch.utils.flop_counter import FlopCounterMode

from imprint.data.scaling import measured
from imprint.models import build_model, resnet
from imprint.on_maps import Rest
from imprint.training.building import build_trainer
from imprint.training.frozen import store_prefix
from imprint.training.settings import TrainSettings
from imprint.training.trainer import Trainer
from imprint.types import DataSplits, ImageSet

SHAPE = (3, 32, 32)
CASES = {"resnet20": "layer3.0", f"{Path(__file__).resolve()}:resnet26": "layer3.2"}
"""The layer of each network up to which it is frozen."""

WAYS = ("all trained", "frozen", "frozen, stored")


def resnet26(shape: tuple[int, int, int], num_classes: int) -> torch.nn.Module:
    """A resnet20 with a block more in each stage."""
    return resnet(shape, num_classes, widths=(16, 32, 64), depth=4)


def noise(count: int) -> DataSplits:
    """Images and labels that mean nothing."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (count, *SHAPE), dtype=torch.uint8, generator=generator)
    names = tuple(f"class {k}" for k in range(10))
    train = ImageSet(pixels, torch.arange(count) % 10, names)
    test = ImageSet(pixels[:10], torch.arange(10), names)
    return measured(DataSplits("noise", train, test))


def operations(network: str, layer: str) -> dict[str, float]:
    """The prefix's share of the operations of a training step: of a whole one, of a frozen one."""
    model, images = build_model(network, SHAPE, 10), torch.rand(8, *SHAPE)
    rest = Rest(model, layer, SHAPE)
    maps = rest.read(images)
    late = [weight for name, weight in model.named_parameters() if name not in rest.frozen]

    def counted(run: Any, batch: torch.Tensor, weights: list[torch.nn.Parameter] | None) -> int:
        with FlopCounterMode(display=False) as counter:
            logits = run(batch)
            if weights is not None:
                loss = F.cross_entropy(logits, torch.zeros(len(batch), dtype=torch.int64))
                torch.autograd.grad(loss, weights)
        return counter.get_total_flops()

    whole, part = counted(model, images, list(model.parameters())), counted(rest, maps, late)
    with torch.no_grad():
        before = counted(model, images, None) - counted(rest, maps, None)
    return {"of_all_trained": 1 - part / whole, "of_frozen": before / (before + part)}


def trainers(data: DataSplits, settings: TrainSettings, folder: Path) -> dict[str, Trainer]:
    """One for each way."""
    made = {way: build_trainer(data, settings, way) for way in WAYS[1:]}
    store_prefix(made["frozen, stored"], data, folder)
    return {WAYS[0]: build_trainer(data, replace(settings, freeze_to=None)), **made}


def measure(network: str, layer: str, images: int, rounds: int) -> dict[str, Any]:
    """Seconds of an epoch each way, and whether both frozen ways end with the same weights."""
    settings = TrainSettings(
        model=network, freeze_to=layer, batch_size=128, epochs=rounds, device="cpu"
    )
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    processor: dict[str, list[float]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        made = trainers(noise(images), settings, Path(folder))
        for trainer in made.values():
            trainer.warm_up()
        for turn in range(rounds):
            for way in (*WAYS[turn % 3 :], *WAYS[: turn % 3]):
                begin = time.process_time()
                seconds[way].append(made[way].train_epoch()["train_seconds"])
                processor[way].append(time.process_time() - begin)
        one, other = (made[way].model.state_dict() for way in WAYS[1:])
    return {
        "share_of_operations": operations(network, layer),
        "seconds": seconds,
        "processor_seconds": processor,
        "times_faster_than": faster(seconds),
        "times_less_processor_than": faster(processor),
        "same_weights": all(torch.equal(one[name], other[name]) for name in one),
    }


def faster(seconds: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """How many times the stored way is faster than the others, turn by turn."""
    found = {}
    for way in WAYS[:2]:
        turns = zip(seconds[way], seconds[WAYS[2]], strict=True)
        each = [slow / fast for slow, fast in turns]
        found[way] = {"median": statistics.median(each), "least": min(each), "most": max(each)}
    return found


def main() -> None:
    """Measure at both layers, and write `results/freeze.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--images", type=int, default=1280)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cases = {
        f"{network.rpartition(':')[2]} to {layer}": measure(
            network, layer, options.images, options.rounds
        )
        for network, layer in CASES.items()
    }
    for case, figures in cases.items():
        print(case, figures["share_of_operations"], figures["times_faster_than"])
    about = {"images": options.images, "batch_size": 128, "threads": options.threads}
    print(record("freeze", about | {"to_reach": 5.0, "cases": cases}))


if __name__ == "__main__":
    main()
