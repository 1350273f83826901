"""A plan over a great many samples: how long it takes to choose an epoch's half, in what memory.

The two bytes a sample lie in a file that is mapped, piece by piece. The losses are drawn at random,
so that all levels occur. Resident memory is the peak of a process of its own, Python and torch
included; what they take alone is stated beside it.

    python benchmarks/bench_plan_scale.py --samples 100000000
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

PIECE = 1 << 22


def write_bytes(path: Path, samples: int) -> None:
    """Make the file of a plan that has been at work: losses and ages of all kinds."""
    import torch

    generator = torch.Generator().manual_seed(0)
    with path.open("wb") as file:
        file.write(bytes(8))  # no epoch has ended
        for high in (255, 40):  # levels, then epochs since each sample was loaded
            for start in range(0, samples, PIECE):
                size = min(PIECE, samples - start)
                part = torch.randint(high, (size,), dtype=torch.uint8, generator=generator)
                file.write(part.numpy().tobytes())


def peak_megabytes() -> float:
    """The most memory that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def measure(path: Path, samples: int, rule: str) -> dict[str, Any]:
    """Choose the half of several epochs, in this process."""
    from imprint.skipping import SkipPlan

    alone = peak_megabytes()
    plan = SkipPlan(samples, keep=0.5, epochs=9, rule=rule, dense_start=0, path=path)
    choose, end, record_seconds = [], [], []
    for _ in range(3):
        begin = time.perf_counter()
        rows = iter(plan)
        first = next(rows)
        chosen = time.perf_counter()
        plan.advance()
        choose.append(chosen - begin)
        end.append(time.perf_counter() - chosen)
        record_seconds.append(_record(plan, first, samples))
    return {
        "choose_seconds": choose,
        "end_of_epoch_seconds": end,
        "record_256_seconds": median(record_seconds),
        "peak_megabytes": peak_megabytes(),
        "python_and_torch_megabytes": alone,
    }


def _record(plan: Any, first: int, samples: int) -> float:
    import torch

    index = (first + torch.arange(256) * 7919) % samples
    begin = time.perf_counter()
    plan.note(index, torch.rand(256))
    return time.perf_counter() - begin


def main() -> None:
    """Measure in processes of their own, and write `results/plan_scale.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=100_000_000)
    parser.add_argument("--rules", nargs="+", default=["imprint", "top", "random"])
    parser.add_argument("--in-process", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_process:
        path, rule = options.in_process
        print(json.dumps(measure(Path(path), options.samples, rule)))
        return
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.bytes"
        for rule in options.rules:
            write_bytes(path, options.samples)
            command = [sys.executable, __file__, "--samples", str(options.samples)]
            output = subprocess.run(
                [*command, "--in-process", str(path), rule],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            ).stdout
            results[rule] = json.loads(output)
            print(rule, results[rule], flush=True)
    from record import record  # not above: the processes that are measured do without

    figures = {
        "samples": options.samples,
        "to_reach": {"choose_seconds": 5.0, "peak_megabytes": 300.0},
        "rules": results,
    }
    print(record("plan_scale", figures))


if __name__ == "__main__":
    main()
