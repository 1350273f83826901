"""Skip rules beside their controls: plain training, the same share at random, matched compute.

All runs of a seed start from the same weights and take turns, an epoch each, so that noise of the
machine meets all alike. `matched` is plain training with fewer epochs and its schedule compressed
to fit, such that it trains on at least as many images as the rules do. A method is a rule, or a
rule at a tier, such as `imprint@gate`.

    python benchmarks/bench_skip_rules.py fashion-mnist --layer block1 --seeds 5
"""

import argparse
import math
from dataclasses import replace
from statistics import mean, median, stdev
from typing import Any

from record import record

from imprint.data import load
from imprint.training import TrainSettings
from imprint.training.job import build_trainer
from imprint.types import DataSplits

T_95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}
"""Student's t of a two-sided 95 % interval, by the number of pairs."""


def methods(base: TrainSettings, names: list[str]) -> dict[str, TrainSettings]:
    """Plain, matched, and each method."""
    dense = math.ceil(base.dense_start * base.epochs)
    matched = math.ceil(dense + base.keep * (base.epochs - dense))
    plain = replace(base, skip="none")
    pairs = {name: name.partition("@") for name in names}
    others = {
        name: replace(base, skip=rule, tier=tier or None) for name, (rule, _, tier) in pairs.items()
    }
    return {"plain": plain, "matched": replace(plain, epochs=matched)} | others


def run_seed(data: DataSplits, base: TrainSettings, names: list[str]) -> list[dict[str, Any]]:
    """All methods of one seed, taking turns."""
    trainers = {
        name: build_trainer(data, settings, name) for name, settings in methods(base, names).items()
    }
    trainers["plain"].warm_up()
    while waiting := [trainer for trainer in trainers.values() if not trainer.finished]:
        for trainer in waiting:
            trainer.train_epoch()
    return [
        {
            "method": name,
            "seed": base.seed,
            "accuracy": trainer.epochs[-1]["test_accuracy"],
            "worst_class": min(value for value in trainer.class_accuracy if value is not None),
            "seconds": sum(row["train_seconds"] for row in trainer.epochs),
            "epoch_seconds": [row["train_seconds"] for row in trainer.epochs],
            "images_trained": sum(row["images_trained"] for row in trainer.epochs),
        }
        for name, trainer in trainers.items()
    ]


def summary(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Each method against plain training, paired by seed."""
    by_method: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_method.setdefault(row["method"], []).append(row)
    return {name: _against(rows, by_method["plain"]) for name, rows in by_method.items()}


def _against(rows: list[dict[str, Any]], plain: list[dict[str, Any]]) -> dict[str, float]:
    differences = [a["accuracy"] - b["accuracy"] for a, b in zip(rows, plain, strict=True)]
    saved = [1 - a["seconds"] / b["seconds"] for a, b in zip(rows, plain, strict=True)]
    count = len(rows)
    half = T_95[min(count, 10)] * stdev(differences) / count**0.5 if count > 1 else math.nan
    return {
        "accuracy_mean": mean(row["accuracy"] for row in rows),
        "worst_class_mean": mean(row["worst_class"] for row in rows),
        "accuracy_difference": mean(differences),
        "accuracy_difference_low": mean(differences) - half,
        "accuracy_difference_high": mean(differences) + half,
        "time_saved": median(saved),
        "images_trained_mean": mean(row["images_trained"] for row in rows),
    }


def main() -> None:
    """Run all seeds and write `results/skip_rules_<data>_<model>.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", default="fashion-mnist")
    parser.add_argument("--model", default="conv4")
    parser.add_argument("--layer")
    parser.add_argument(
        "--methods", nargs="+", default=["imprint", "random", "imprint@gate", "random@gate"]
    )
    parser.add_argument("--keep", type=float, default=0.5)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--precision", default="32")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    data = load(options.data)
    rows: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        base = TrainSettings(
            model=options.model,
            layer=options.layer,
            keep=options.keep,
            epochs=options.epochs,
            precision=options.precision,
            seed=seed,
        )
        rows += run_seed(data, base, options.methods)
        figures = {
            "to_beat": ["plain", "matched", "random"],
            "rows": rows,
            "summary": summary(rows),
        }
        path = record(f"skip_rules_{options.data}_{options.model}", figures)
        print(f"seed {seed} done", flush=True)
    for name, line in figures["summary"].items():
        print(
            f"{name:13} {line['accuracy_mean']:.2%}  {100 * line['accuracy_difference']:+.2f} "
            f"[{100 * line['accuracy_difference_low']:+.2f}, "
            f"{100 * line['accuracy_difference_high']:+.2f}] points  "
            f"{line['time_saved']:.0%} of the time saved"
        )
    print(path)


if __name__ == "__main__":
    main()
