"""How near `imprint plan-skip` comes to what skipping saves, on three families of networks.

Each network is measured first, then trained: plainly, with a plan, and with a gate, an epoch each
in turn, on a part of the data. What is compared is the share of the plain run's seconds that is
saved; tests do not count.

    python benchmarks/bench_plan_skip.py
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from record import record
from torch import nn

from imprint.data import load
from imprint.training import TrainSettings
from imprint.training.building import build_trainer
from imprint.training.planning import plan_skip
from imprint.types import DataSplits, ImageSet

KEEP = 0.5
POINTS = 0.05
"""What a prediction may be wrong by."""

FAMILIES = {
    "conv4": ("mnist", 12_288),
    "resnet20": ("cifar10", 4_096),
    f"{Path(__file__)}:convnext": ("cifar10", 4_096),
}
"""Each network, its data set, and how many of its training images are used."""


def convnext(in_channels: int, image_size: int, num_classes: int) -> nn.Module:
    """Build a small ConvNeXt of `transformers`, with random weights."""
    from transformers import ConvNextConfig, ConvNextForImageClassification

    config = ConvNextConfig(
        num_channels=in_channels,
        image_size=image_size,
        patch_size=2,
        depths=[2, 2, 4, 2],
        hidden_sizes=[32, 64, 128, 256],
        num_labels=num_classes,
    )
    return ConvNextForImageClassification(config)  # type: ignore[no-any-return]


def part(images: ImageSet, count: int) -> ImageSet:
    """Take the first images of a set."""
    return ImageSet(images.images[:count], images.labels[:count], images.class_names)


def best_layer(result: dict[str, Any]) -> str:
    """Name the layer at which a gate is predicted to save most."""
    rows = [row for row in result["predictions"] if (row["tier"], row["keep"]) == ("gate", KEEP)]
    return str(max(rows, key=lambda row: row["time_saved"])["layer"])


def measured(data: DataSplits, settings: TrainSettings, layer: str) -> dict[str, dict[str, Any]]:
    """Train plainly, with a plan and with a gate, an epoch each in turn; what each took."""
    gate = {"skip": "imprint", "tier": "gate", "layer": layer}
    ways = {"plain": {}, "plan": {"skip": "imprint", "tier": "plan"}, "gate": gate}
    trainers = {name: build_trainer(data, replace(settings, **way)) for name, way in ways.items()}
    for trainer in trainers.values():
        trainer.warm_up()
    seconds: dict[str, list[float]] = {name: [] for name in trainers}
    for _ in range(settings.epochs):
        for name, trainer in trainers.items():
            seconds[name].append(trainer.train_epoch()["train_seconds"])
    plain = sum(seconds["plain"])
    return {
        name: {"seconds": times, "time_saved": 1 - sum(times) / plain}
        for name, times in seconds.items()
    }


def compare(network: str, data: DataSplits, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Set what was predicted for a network beside what was measured."""
    settings = TrainSettings(
        model=network,
        keep=KEEP,
        epochs=options.epochs,
        batch_size=options.batch_size,
        dense_start=1 / options.epochs,
        device=options.device,
        lr=0.01,
    )
    result = plan_skip(data, settings, keeps=[0.3, KEEP, 0.7])
    layer = options.layer or best_layer(result)
    runs = measured(data, settings, layer)
    rows = []
    for tier, place in (("plan", None), ("gate", layer)):
        predicted = next(
            row["time_saved"]
            for row in result["predictions"]
            if (row["tier"], row["layer"], row["keep"]) == (tier, place, KEEP)
        )
        saved = runs[tier]["time_saved"]
        rows.append(
            {
                "network": network.rpartition(":")[2],
                "tier": tier,
                "layer": place,
                "predicted": predicted,
                "measured": saved,
                "error": predicted - saved,
                "seconds": runs[tier]["seconds"],
                "plain_seconds": runs["plain"]["seconds"],
            }
        )
    return rows


def main() -> None:
    """Compare all networks and write `results/plan_skip.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="*", help="of conv4, resnet20, convnext; all")
    parser.add_argument("--images", type=int, help="of the training set; each network's own")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--layer", help="of the gate; the one that is predicted to save most")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dry", action="store_true", help="write no file")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for network, (name, count) in FAMILIES.items():
        if options.networks and network.rpartition(":")[2] not in options.networks:
            continue
        whole = load(name)
        train = part(whole.train, options.images or count)
        data = replace(whole, train=train, test=part(whole.test, 500))
        rows += compare(network, data, options)
        for row in rows[-2:]:
            place = f"{row['tier']} {row['layer'] or ''}"
            print(
                f"{row['network']:9} {place:32} predicted {row['predicted']:6.1%}, "
                f"measured {row['measured']:6.1%}",
                flush=True,
            )
    worst = max(abs(row["error"]) for row in rows)
    print(f"worst error {100 * worst:.1f} points, to reach: at most {100 * POINTS:.0f}")
    if not options.dry:
        figures = {"keep": KEEP, "rows": rows, "worst_error": worst, "to_reach": POINTS}
        print(record("plan_skip", figures | {"threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main()
