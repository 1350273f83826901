"""Write a benchmark's figures with what they depend on: command, date, machine, versions."""

import datetime as dt
import platform
import shlex
import sys
from pathlib import Path
from typing import Any

import torch

from imprint.runs import write_json
from imprint.training.results import versions

__all__ = ["record"]

RESULTS = Path(__file__).parent / "results"


def record(name: str, figures: dict[str, Any]) -> Path:
    """Write `results/<name>.json`.

    Args:
        name: of the file, without its ending.
        figures: what was measured.

    Returns:
        The file.
    """
    script = Path(sys.argv[0]).name
    machine = {
        "processor": _processor(),
        "cores": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": platform.system(),
    }
    about = {
        "command": shlex.join(["python", f"benchmarks/{script}", *sys.argv[1:]]),
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": machine,
        "versions": versions(),
    }
    RESULTS.mkdir(exist_ok=True)
    return write_json(RESULTS / f"{name}.json", about | figures | about)  # what it is about wins


def _processor() -> str:
    """The processor's name, as Linux tells it, else as Python does."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
