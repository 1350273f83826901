"""The paper's experiments on MNIST and Fashion-MNIST, with their verdicts.

    python benchmarks/bench_reproduce.py             # all; goes on where it was stopped
    python benchmarks/bench_reproduce.py colour      # into the same folder and result

Cells and report lie in runs/paper; the result is committed.
"""

import os
import sys
from pathlib import Path

from record import record

from imprint.reproduce import EXPERIMENTS, experiments_of, reproduce
from imprint.runs import read_json

FOLDER = Path("runs/paper")


def main() -> None:
    """Repeat what is asked for, beside what the folder holds already."""
    asked = sys.argv[1:] or ["all"]
    resume = (FOLDER / "config.json").is_file()
    held = read_json(FOLDER / "config.json")["experiments"] if resume else []
    names = [name for name in EXPERIMENTS if name in {*held, *experiments_of(asked)}]
    result = reproduce(
        names,
        out=FOLDER,
        workers=len(os.sched_getaffinity(0)),
        resume=resume,
        on_cell=lambda name, done, total: print(f"{done} of {total} {name}", flush=True),
        note={"command_line": f"imprint reproduce {' '.join(names)}"},
    )
    print(record("reproduce", result))


if __name__ == "__main__":
    main()
