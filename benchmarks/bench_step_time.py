"""How long a training step takes that keeps half of its batch, against a plain one.

The steps of one network take turns, so that noise of the machine meets all alike. `half a batch`
is the bound: a plain step on half of the rows, what would be left if the choice cost nothing.

    python benchmarks/bench_step_time.py
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
import torch.nn.functional as F
from record import record
from torch import Tensor

from imprint.models import build_model
from imprint.skipping import SkipGate

BATCH = 256
NETWORKS = {
    "conv4": ((1, 28, 28), ["block1", "block2"]),
    "resnet20": ((3, 32, 32), ["stem", "layer1.0", "layer1"]),
    "resnet18": ((3, 32, 32), ["stem", "layer1.0", "layer1"]),
}
"""Each network, its images' shape, and the layers at which it is tapped."""


def step_of(network: str, layer: str | None, rows: int = BATCH) -> Callable[[], None]:
    """Give a training step on a fixed batch; with a layer, one that keeps half of its rows."""
    shape = NETWORKS[network][0]
    model = build_model(network, shape, 10).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    gate = SkipGate(model, layer=layer, num_classes=10, keep=0.5) if layer else None
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(rows, *shape, generator=generator)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(10, (rows,), generator=generator)

    def loss() -> Tensor:
        if gate is None:
            return F.cross_entropy(model(images), labels)
        with gate(labels):
            logits = model(images)
        return F.cross_entropy(logits, gate.labels)

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return step


def measure(network: str, repeats: int) -> dict[str, dict[str, object]]:
    """Time a network's steps in turn, after one turn that does not count."""
    steps = {"plain": step_of(network, None), "half a batch": step_of(network, None, BATCH // 2)}
    steps |= {f"gate at {layer}": step_of(network, layer) for layer in NETWORKS[network][1]}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(repeats + 1):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    plain = median(seconds["plain"])
    return {
        name: {"median_seconds": median(times), "ratio": median(times) / plain, "seconds": times}
        for name, times in seconds.items()
    }


def main() -> None:
    """Measure all networks and write `results/step_time.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    figures = {network: measure(network, options.repeats) for network in NETWORKS}
    for network, steps in figures.items():
        for name, figure in steps.items():
            print(f"{network:9} {name:17} {figure['ratio']:.2f}")
    print(record("step_time", {"networks": figures}))


if __name__ == "__main__":
    main()
