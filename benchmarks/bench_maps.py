"""Maps of MNIST's 60,000 training images: to take and store them, to compute them, to read them.

python benchmarks/bench_maps.py
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from record import record

from imprint.data import load, normalisation, normalise
from imprint.models import build_model
from imprint.on_maps import MapStore, StoredMaps, extract, hash_tensors, stage_maps

LAYER = "conv1"
BATCH = 250
STAGES = ("after-activation", "before-activation")


def seconds_of(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds that a piece of work takes, and those of all its threads on the processor."""
    begin = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begin[0], time.process_time() - begin[1]


def measure(stage: str, rounds: int) -> dict[str, object]:
    """Take, compute and read the maps in turns."""
    images = load("mnist").train.images
    model, scale = build_model("paper", (1, 28, 28), 10), normalisation(images)

    def read(rows: torch.Tensor) -> torch.Tensor:
        return stage_maps(model, LAYER, stage, normalise(images[rows], scale, channels_last=True))

    def compute() -> None:  # as when training, no batch outlives its step
        for rows in torch.arange(len(images)).split(BATCH):
            read(rows)

    def read_back(maps: torch.Tensor) -> None:
        for chunk in maps.split(BATCH):
            chunk.float()

    shape = tuple(read(torch.tensor([0])).shape[1:])
    both: dict[str, list[tuple[float, float]]] = {
        "take_and_store": [],
        "compute": [],
        "read_back": [],
    }
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:

            def take() -> torch.Tensor:
                weights, data = hash_tensors(model.state_dict()), hash_tensors({"images": images})
                about = StoredMaps(
                    LAYER, stage, len(images), shape, "float16", weights=weights, data=data
                )
                return extract(MapStore(Path(folder), about), read, batch_size=BATCH)

            both["take_and_store"].append(seconds_of(take))
            both["compute"].append(seconds_of(compute))
            maps = take()  # found complete
            both["read_back"].append(seconds_of(lambda: read_back(maps)))  # noqa: B023
    seconds, processor = (
        {n: [pair[k] for pair in each] for n, each in both.items()} for k in (0, 1)
    )
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    return {
        "shape": list(shape),
        "megabytes": len(images) * 2 * shape[0] * shape[1] * shape[2] / 1e6,
        "seconds": seconds,
        "processor_seconds": processor,
        "medians": medians,
        "read_back_times_faster": medians["compute"] / medians["read_back"],
    }


def main() -> None:
    """Measure both stages, and write `results/maps.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    stages = {stage: measure(stage, options.rounds) for stage in STAGES}
    for stage, figures in stages.items():
        print(stage, figures["medians"], figures["read_back_times_faster"])
    to_reach = {"take_and_store": 6.0, "read_back_times_faster": 2.0}
    print(record("maps", {"images": 60000, "stages": stages, "to_reach": to_reach}))


if __name__ == "__main__":
    main()
