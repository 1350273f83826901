"""What Imprint's own parts cost: the gate, the loader, the import, the memory.

python benchmarks/bench_overhead.py
"""

import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median

import torch
import torch.nn.functional as F
from record import record

from imprint.data import TensorBatches, load, normalisation
from imprint.memory import ClassMemory
from imprint.models import build_model
from imprint.signatures import signature
from imprint.skipping.probe import LinearProbe
from imprint.skipping.rules import draw
from imprint.taps import maps_at

REPEATS = 7
BATCH = 256


def seconds(action: Callable[[], object], repeats: int = REPEATS) -> list[float]:
    """Time an action several times, after one that does not count."""
    action()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return times


def gate_share() -> dict[str, object]:
    """Signature, memory and decision at ResNet-18's first block, against a training step."""
    model = build_model("resnet18", (3, 32, 32), 10).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(BATCH, 3, 32, 32, generator=generator)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(10, (BATCH,), generator=generator)
    maps = maps_at(model, "layer1.0", images)
    memory, probe = ClassMemory(10), LinearProbe(10)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()

    def decide() -> None:
        signatures = signature(maps)
        memory.match(signatures, labels)
        memory.update(signatures, labels)
        draw(probe.step(signatures, labels).sqrt(), BATCH // 2, generator)

    steps, decisions = seconds(step, 5), seconds(decide, 15)
    share = median(decisions) / median(steps)
    return {"step_seconds": steps, "decision_seconds": decisions, "share": share, "to_reach": 0.02}


def loader_share() -> dict[str, object]:
    """Batches with crops against an epoch of the paper's network on MNIST."""
    data = load("mnist")
    scale = normalisation(data.train.images)
    batches = TensorBatches(data.train, BATCH, scale, augmentations=["crop"], channels_last=True)
    model = build_model("paper", (1, 28, 28), 10).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def epoch() -> None:
        for batch in batches.epoch(0):
            optimizer.zero_grad()
            F.cross_entropy(model(batch.images), batch.labels).backward()
            optimizer.step()

    def load_alone() -> None:
        for _ in batches.epoch(0):
            pass

    loading, whole = seconds(load_alone, 5), seconds(epoch, 3)
    share = median(loading) / median(whole)
    return {"loader_seconds": loading, "epoch_seconds": whole, "share": share, "to_reach": 0.05}


def import_seconds() -> dict[str, object]:
    """`import imprint` after `import torch`, each time in a new process.

    Names load when they are first used; beside it, what it takes to load them all.
    """
    times, all_names = (
        [float(_python(_IMPORT.format(statement))) for _ in range(REPEATS)]
        for statement in ("import imprint", "from imprint import *")
    )
    figure = {"seconds": times, "median": median(times), "to_reach": 0.05}
    return figure | {"all_names_seconds": all_names, "all_names_median": median(all_names)}


def memory_megabytes() -> dict[str, object]:
    """The most memory that training on MNIST takes above interpreter, libraries, data and model.

    Linux alone tells it: a process's peak since it was last reset.
    """
    peaks = [int(_python(_PEAK)) / 1e6 for _ in range(3)]
    return {"megabytes": peaks, "median": median(peaks), "to_reach": 200}


_IMPORT = """
import time, torch
start = time.perf_counter()
{}
print(time.perf_counter() - start)
"""

_PEAK = """
from pathlib import Path
import torch
from imprint import TrainSettings, load, train
from imprint.models import build_model
import lightning.fabric, torch._dynamo
data = load("mnist")
model = build_model("conv4", (1, 28, 28), 10)
def kilobytes(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))
before = kilobytes("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
train(data, TrainSettings(epochs=1, skip="imprint", dense_start=0, device="cpu"))
print((kilobytes("VmHWM") - before) * 1024)
"""


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def main() -> None:
    """Measure all and write `results/overhead.json`."""
    figures = {
        "gate": gate_share(),
        "loader": loader_share(),
        "import": import_seconds(),
        "memory": memory_megabytes(),
    }
    for name, figure in figures.items():
        value = figure.get("share", figure.get("median"))
        print(f"{name:8} {value:.4f}, to reach: at most {figure['to_reach']}")
    print(record("overhead", figures))


if __name__ == "__main__":
    main()
