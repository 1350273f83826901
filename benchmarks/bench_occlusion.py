"""An occlusion map of one image: how long it takes, beside the same covered images one at a time.

python benchmarks/bench_occlusion.py
"""

import argparse
import time
from typing import Any

import torch
from record import record

from imprint.models import build_model
from imprint.seeing import occlusion

SHAPE = (3, 32, 32)
PATCH = 5


def measure(model: torch.nn.Module, image: torch.Tensor, batch_size: int) -> float:
    """Seconds of one map."""
    begin = time.perf_counter()
    occlusion(model, image, torch.tensor([0]), patch=PATCH, stride=1, batch_size=batch_size)
    return time.perf_counter() - begin


def main() -> None:
    """Measure in turns, and write `results/occlusion.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    model = build_model("resnet20", SHAPE, 10)
    image = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(0))
    seconds: dict[str, list[float]] = {"batched": [], "one at a time": []}
    measure(model, image, 64)
    for _ in range(options.rounds):
        seconds["batched"].append(measure(model, image, 64))
        seconds["one at a time"].append(measure(model, image, 1))
    places = (SHAPE[1] - PATCH + 1) ** 2
    figures: dict[str, Any] = {"network": "resnet20", "places": places, "seconds": seconds}
    print(seconds)
    print(record("occlusion", figures | {"to_reach": 2.0}))


if __name__ == "__main__":
    main()
