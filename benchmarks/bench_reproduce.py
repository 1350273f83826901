"""The paper's experiments with their verdicts, in four parts, which may take hours each.

    python benchmarks/bench_reproduce.py           # its figures, on MNIST and Fashion-MNIST
    python benchmarks/bench_reproduce.py overfitting
    python benchmarks/bench_reproduce.py colour
    python benchmarks/bench_reproduce.py deeper

Cells and report lie in runs/paper-<part>, where a part goes on if it was stopped; its result is
committed.
"""

import os
import sys
from pathlib import Path

from record import record

from imprint.reproduce import reproduce

PARTS = ("all", "overfitting", "colour", "deeper")


def main() -> None:
    """Repeat a part, or what is left of it."""
    part = sys.argv[1] if len(sys.argv) > 1 else "all"
    folder = Path("runs") / f"paper-{part}"
    result = reproduce(
        [part],
        out=folder,
        workers=len(os.sched_getaffinity(0)),
        resume=(folder / "config.json").is_file(),
        on_cell=lambda name, done, total: print(f"{done} of {total} {name}", flush=True),
        note={"command_line": f"imprint reproduce {part}"},
    )
    print(record(f"reproduce_{part}", result))


if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1] not in PARTS:
        sys.exit(f"part: expected {', '.join(PARTS)}; got {sys.argv[1]}")
    main()
