"""Skipping methods beside their controls: the runs behind docs/benchmarks.md, by name.

It continues where it was stopped; more seeds may be asked for later. Each name stands for one
`imprint bench skip`, whose folder lies in `runs/`.

    python benchmarks/bench_skip.py fashion-mnist --seeds 5
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from record import record

from imprint.benchmarking import BenchSettings, bench_skip
from imprint.data import AudioOptions, load
from imprint.training import TrainSettings

FASHION = TrainSettings(model="conv4", layer="block1", epochs=16, batch_size=128, batch_shrink=0.5)

PUBLISHED = (
    *("plain", "matched", "random", "infobatch", "orderdp", "selective-backprop"),
    *("partial-forward-blocking", "kakurenbo", "early-stopping", "paper"),
)
"""Controls and published methods."""

BENCHMARKS: dict[str, dict[str, Any]] = {
    "fashion-mnist": {
        "data": "fashion-mnist",
        "base": FASHION,
        "methods": (*PUBLISHED, "imprint", "imprint-auto"),
        "keeps": (0.34,),
    },
    "fashion-mnist-freezing": {
        "data": "fashion-mnist",
        "base": replace(FASHION, freeze_after={"block1": 0.3}),
        "methods": (*PUBLISHED, "freezing", "imprint", "imprint-auto", "imprint-unfrozen"),
        "keeps": (0.42,),
    },
    "cifar10": {
        "data": "cifar10",
        "base": TrainSettings(model="resnet8", epochs=20, batch_size=128, batch_shrink=0.5),
        "methods": (
            *("plain", "matched", "random", "infobatch", "orderdp", "partial-forward-blocking"),
            *("imprint", "imprint-auto"),
        ),
        "keeps": (0.5,),
    },
    "cifar10-short": {
        "data": "cifar10",
        "base": TrainSettings(model="conv4", epochs=8, batch_size=128),
        "methods": ("plain", "matched", "random", "orderdp", "imprint", "imprint-auto"),
        "keeps": (0.5,),
    },
    "music": {
        "data": "music",
        "reading": {"audio": AudioOptions(label="collection", seconds=5)},
        "base": TrainSettings(model="conv4", epochs=20, batch_size=64),
        "methods": ("plain", "matched", "random", "orderdp", "imprint"),
        "keeps": (0.5,),
    },
    "mnist": {
        "data": "mnist",
        "base": TrainSettings(model="conv4", epochs=8, batch_size=128, batch_shrink=0.5),
        "methods": ("plain", "matched", "random", "orderdp", "imprint"),
        "keeps": (0.25,),
    },
}


def main() -> None:
    """Run a benchmark and write `results/skip_<name>.json`, anew after each seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="?", choices=BENCHMARKS, default="fashion-mnist")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--methods", nargs="+", help="some of the benchmark's, instead of all")
    options = parser.parse_args()
    chosen = dict(BENCHMARKS[options.name])
    if options.methods:
        chosen["methods"] = tuple(options.methods)
    out = Path("runs") / f"skip-{options.name}"
    data = load(chosen.pop("data"), **chosen.pop("reading", {}))
    config = out / "config.json"
    begun = json.loads(config.read_text())["seeds"] if config.is_file() else 1
    for seeds in range(begun, max(begun, options.seeds) + 1):
        settings = BenchSettings(**chosen, seeds=seeds)
        result = bench_skip(data, settings, out=out, resume=config.is_file(), on_run=_show)
        about = {key: result[key] for key in result if key not in {"command", "versions"}}
        print(record(f"skip_{options.name}", about), flush=True)


def _show(row: dict[str, Any]) -> None:
    keep = "" if row["keep"] is None else row["keep"]
    line = (
        f"{row['seed']}  {row['method']:24} {keep:5} {row['accuracy']:7.2%} {row['seconds']:7.1f} s"
    )
    print(line, flush=True)


if __name__ == "__main__":
    main()
