"""Seconds of a training step with freed memory kept, against glibc's own habit of giving it back.

    python benchmarks/bench_allocator.py

Plain training steps of built-in networks, forward, backward and SGD; a process each way and round,
in turn, since a process keeps its habit.
"""

import argparse
import json
import subprocess
import sys
import time
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from record import record

from imprint.allocator import keep_freed_memory
from imprint.models import build_model

CASES = {
    "paper": ((1, 28, 28), 64),
    "conv4": ((1, 28, 28), 128),
    "resnet8": ((1, 28, 28), 256),
    "resnet20": ((3, 32, 32), 128),
    "resnet18": ((3, 32, 32), 64),
}
"""Shape of an image, and batch size."""

STEPS, UNTIMED = 20, 5


def seconds_of(name: str) -> float:
    """The median of a network's steps."""
    shape, size = CASES[name]
    model: Any = build_model(name, shape, 10)
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    images = torch.randn(size, *shape).to(memory_format=torch.channels_last)
    labels = torch.randint(10, (size,))
    times = []
    for _ in range(UNTIMED + STEPS):
        began = time.perf_counter()
        optimizer.zero_grad()
        torch.autograd.backward(F.cross_entropy(model(images), labels))
        optimizer.step()
        times.append(time.perf_counter() - began)
    return median(times[UNTIMED:])


def one_way(how: str, threads: int) -> dict[str, float]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--one", how, "--threads", str(threads)]
    shown = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, float] = json.loads(shown)
    return found


def main() -> None:
    """Measure both ways in turn, and write `results/allocator.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one", choices=("given back", "kept"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.one:
        if options.one == "kept" and not keep_freed_memory():
            sys.exit("expected glibc, with none of its thresholds set")
        sys.stdout.write(json.dumps({name: seconds_of(name) for name in CASES}))
        return
    rounds: list[dict[str, Any]] = []
    for number in range(options.rounds):
        order = ("given back", "kept") if number % 2 else ("kept", "given back")
        rounds.append({how: one_way(how, options.threads) for how in order})
        print(rounds[-1], flush=True)
    rows = [_row(name, rounds) for name in CASES]
    print(record("allocator", {"rounds": options.rounds, "rows": rows}))


def _row(name: str, rounds: list[dict[str, Any]]) -> dict[str, Any]:
    ratios = sorted(own["kept"][name] / own["given back"][name] for own in rounds)
    return {
        "network": name,
        "batch_size": CASES[name][1],
        "seconds": {how: median(own[how][name] for own in rounds) for how in rounds[0]},
        "ratio": median(ratios),
        "low": ratios[len(ratios) // 4],
        "high": ratios[-1 - len(ratios) // 4],
    }


if __name__ == "__main__":
    main()
