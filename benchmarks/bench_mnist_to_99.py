"""Seconds to 99 % test accuracy on MNIST: `imprint train` against PyTorch's own example.

Both are whole processes, one after the other, several times in turn; both stop after the first
epoch that reaches the target.

    python benchmarks/bench_mnist_to_99.py --seeds 3
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from record import record

OURS = [
    "train",
    "mnist",
    "--target",
    "0.99",
    "--epochs",
    "1",
    "--batch-size",
    "128",
    "--lr",
    "0.5",
    "--label-smoothing",
    "0.05",
    "--precision",
    "bf16",
    "--device",
    "cpu",
]


def ours(seed: int) -> dict[str, Any]:
    """One `imprint train` to the target."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = [sys.executable, "-m", "imprint.cli", *OURS]
        start = time.perf_counter()
        done = _run([*command, "--seed", str(seed), "--out", str(out), "--json"])
        seconds = time.perf_counter() - start
    result = json.loads(done)
    accuracy = result["test_accuracy"]
    return _row(seed, seconds, result["train_seconds"], accuracy, len(result["epochs"]))


def example(seed: int) -> dict[str, Any]:
    """One run of PyTorch's example to the target."""
    script = Path(__file__).parent / "pytorch_mnist_example.py"
    start = time.perf_counter()
    result = json.loads(
        _run([sys.executable, str(script), "--target", "0.99", "--seed", str(seed)])
    )
    seconds = time.perf_counter() - start
    accuracy = result["test_accuracy"][-1]
    return _row(seed, seconds, result["train_seconds"], accuracy, result["epochs"])


def _row(seed: int, whole: float, training: float, accuracy: float, epochs: int) -> dict[str, Any]:
    return {
        "seed": seed,
        "process_seconds": whole,
        "train_seconds": training,
        "test_accuracy": accuracy,
        "epochs": epochs,
        "reached": accuracy >= 0.99,
    }


def _run(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def main() -> None:
    """Run both in turn and write `results/mnist_to_99.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(parser.parse_args().seeds)
    pairs = []
    for seed in seeds:
        pairs.append({"imprint": ours(seed), "pytorch_example": example(seed)})
        print(json.dumps(pairs[-1]), flush=True)
    times = {
        key: [pair["pytorch_example"][key] / pair["imprint"][key] for pair in pairs]
        for key in ("process_seconds", "train_seconds")
    }
    figures = {
        "imprint_command": " ".join(["imprint", *OURS]),
        "runs": pairs,
        "times_faster_process": times["process_seconds"],
        "times_faster_training": times["train_seconds"],
        "median_process": median(times["process_seconds"]),
        "median_training": median(times["train_seconds"]),
        "all_reached": all(run["reached"] for pair in pairs for run in pair.values()),
        "to_reach": 15,
    }
    print(f"{figures['median_process']:.1f} times faster, start-up included")
    print(record("mnist_to_99", figures))


if __name__ == "__main__":
    main()
