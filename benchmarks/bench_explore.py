"""A look at data: its seconds and memory, how they grow, and what of planted faults is found.

Each job runs in a process of its own. Its memory is the most that it held apart from mapped files,
which the system takes back when it needs room; its seconds are those of the whole command, start of
Python included.

    python benchmarks/bench_explore.py
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

JOBS: dict[str, list[str]] = {
    "mnist": ["mnist"],
    "mnist, t-SNE map": ["mnist", "--map", "tsne"],
    "cifar10": ["cifar10"],
}
GROWTH = (10_000, 100_000, 1_000_000)
SEEDS = 5


def run_apart(*arguments: str) -> dict[str, Any]:
    """Run this script in a process of its own; what it printed last, as JSON."""
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, "--apart", *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return {**json.loads(done.stdout.splitlines()[-1]), "seconds": time.perf_counter() - begin}


class Memory:
    """The most anonymous memory that this process holds, in MB, looked at every 20 ms."""

    def __init__(self) -> None:
        self.peak = 0.0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("RssAnon"):
                    self.peak = max(self.peak, int(line.split()[1]) * 1024 / 1e6)
            time.sleep(0.02)


def command(arguments: list[str]) -> dict[str, Any]:
    """`imprint explore` in this process."""
    memory = Memory()
    from imprint.cli.app import app

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        app(["explore", *arguments, "--out", str(out)], standalone_mode=False)
        result = json.loads((out / "result.json").read_text())
        report = (out / "report.html").stat().st_size
    return {
        "megabytes": memory.peak,
        "stages": result["seconds"],
        "report_megabytes": report / 1e6,
        "map_neighbour_accuracy": result["map_neighbour_accuracy"],
    }


def growth(count: int) -> dict[str, Any]:
    """Explore so many made-up images, which lie in a mapped file, and write all files."""
    import numpy as np
    import torch

    from imprint.exploration import explore
    from imprint.types import ImageSet

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.bytes"
        _write_images(path, count)
        mapped = np.memmap(path, np.uint8, "r+", shape=(count, 1, 28, 28))
        names = tuple(str(k) for k in range(10))
        images = ImageSet(torch.from_numpy(mapped), torch.arange(count) % 10, names)
        memory = Memory()
        found = explore(images, name="made up")
        found.write(Path(folder))
    return {"megabytes": memory.peak, "stages": found.result["seconds"]}


def _write_images(path: Path, count: int) -> None:
    """Ten classes of soft shapes, each image shifted, scaled and a little noisy."""
    import torch

    draw = torch.Generator().manual_seed(0)
    coarse = torch.rand(10, 1, 7, 7, generator=draw)
    shapes = torch.nn.functional.interpolate(coarse, (28, 28), mode="bicubic").clamp(0, 1)
    with path.open("wb") as file:
        for rows in torch.split(torch.arange(count), 10_000):
            scale = 120 + 120 * torch.rand(len(rows), 1, 1, 1, generator=draw)
            own = torch.rand(len(rows), 1, 7, 7, generator=draw)
            soft = torch.nn.functional.interpolate(own, (28, 28), mode="bicubic")
            images = (0.6 * shapes[rows % 10] + 0.4 * soft).clamp(0, 1) * scale
            file.write(images.round().to(torch.uint8).numpy().tobytes())


def planted(seed: int) -> dict[str, Any]:
    """What of the faults planted in Fashion-MNIST is found, and how much else."""
    from itertools import combinations

    from planting import plant

    from imprint.data import load
    from imprint.exploration import ExploreSettings, explore

    splits = load("fashion-mnist")
    there = plant(splits, seed=seed)
    found = explore(there.splits)
    before = explore(splits, settings=ExploreSettings(judge=None))
    starts = {"train": 0, "test": len(splits.train)}

    def pairs(exploration: Any, *, near: bool) -> set[tuple[int, int]]:
        groups = exploration.duplicates(near=near)
        rows = ([starts[part] + index for part, index in group] for group in groups)
        return {(min(pair), max(pair)) for group in rows for pair in combinations(group, 2)}

    equal = pairs(found, near=False) - pairs(before, near=False)
    near = pairs(found, near=True) - pairs(before, near=True)
    farthest = {row["index"] for row in found.outliers(k=50, part="train")}
    suspects = [row for row in found.label_issues(k=600) if row["split"] == "train"][:500]
    kinds = {
        "equal images and leaks": (equal, there.equal | there.leaks),
        "nearly equal images": (near, there.near),
        "noise images, among the 50 farthest out": (farthest, there.noise),
        "wrong labels, among the first 500": ({row["index"] for row in suspects}, there.wrong),
    }
    return {
        kind: {"recall": len(got & true) / len(true), "precision": len(got & true) / len(got)}
        for kind, (got, true) in kinds.items()
    }


def main() -> None:
    """Measure all of it, one after the other, and write `results/explore.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--samples", type=int, nargs="+", default=list(GROWTH))
    parser.add_argument("--apart", nargs="+", help=argparse.SUPPRESS)
    options, more = parser.parse_known_args()
    if options.apart:
        kind, *arguments = [*options.apart, *more]
        job = {"command": command, "growth": lambda a: growth(int(a[0]))}
        job["planted"] = lambda a: planted(int(a[0]))
        print(json.dumps(job[kind](arguments)))
        return
    figures: dict[str, Any] = {"jobs": {}, "growth": {}, "planted": []}
    for name, arguments in JOBS.items():
        figures["jobs"][name] = run_apart("command", *arguments)
        print(name, figures["jobs"][name], flush=True)
    for count in options.samples:
        figures["growth"][str(count)] = run_apart("growth", str(count))
        print(count, figures["growth"][str(count)], flush=True)
    for seed in range(options.seeds):
        figures["planted"].append(run_apart("planted", str(seed)))
        print(seed, figures["planted"][-1], flush=True)
    from record import record  # not above: the processes that are measured do without

    figures["to_reach"] = {"mnist": 25, "mnist, t-SNE map": 240, "cifar10": 45, "megabytes": 1000}
    print(record("explore", figures))


if __name__ == "__main__":
    main()
