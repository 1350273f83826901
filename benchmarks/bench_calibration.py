"""What more calibrating images are worth to early exits that ask a small network first.

The networks of `bench_exits.py cifar10`, which trains them where they are not there yet; each draw
of the shares is an `imprint early-exit … --calibration-share SHARE --seed SEED`.

    python benchmarks/bench_calibration.py --seeds 3
"""

import argparse
from typing import Any

import torch
from bench_exits import fast, network
from record import record

from imprint.answering import ExitSettings, answer_early
from imprint.data import load

SHARES = (0.2, 0.5, 0.8)
DATA, BATCH = "cifar10", 256


def measured(result: dict[str, Any]) -> dict[str, Any]:
    """What is shown of a draw."""
    (speed,) = result["speed"]
    first = next((row["share"] for row in result["exits"] if row["layer"] == "first network"), 0.0)
    return {
        "extra_error": result["extra_error"],
        "answered_first": first,
        "time_ratio": speed["ratio"],
        "low": speed["low"],
        "high": speed["high"],
    }


def main() -> None:
    """Measure, and write `results/calibration.json`, anew after each draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    trained, small = network(DATA, 20, again=12), network(DATA, 20, "resnet8", 60)
    splits = load(DATA)
    rows: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        for share in SHARES:
            settings = ExitSettings(
                calibration_share=share, seed=seed, head="mlp", measured_batches=(BATCH,)
            )
            found = answer_early(
                fast(trained.model), splits.train, splits.test, trained.normalisation,
                first=fast(small.model), settings=settings,
            )  # fmt: skip
            calibrating = round(share * len(splits.test))
            rows.append({"calibrating": calibrating, "seed": seed, **measured(found.result)})
            print(rows[-1], flush=True)
            record("calibration", {"data": DATA, "batch_size": BATCH, "rows": rows})


if __name__ == "__main__":
    main()
