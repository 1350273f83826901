"""The base network: which optimizer and rate meet figure 7's plain curve, and what hangs on it."""

import math
from dataclasses import replace
from statistics import mean
from typing import Any

from imprint.report import Chart, Look, seed_lines
from imprint.reproduce.base import BASE, cached_cell, plain_cell, seeded
from imprint.reproduce.cells import Cell, Results
from imprint.reproduce.findings import Experiment, Finding, Table
from imprint.reproduce.printed import printed
from imprint.reproduce.verdicts import spread

__all__ = ["EXPERIMENT"]

RATES = (0.005, 0.01, 0.02)

QUESTION = (
    "The paper names neither optimizer, learning rate nor how its images are scaled. Here it is SGD"
    " with a (Nesterov) momentum of 0.9, pixels in [0, 1], convolutions of 10 and 20 channels, and"
    " the learning rate whose plain curve lies nearest to the one printed in figure 7. How much"
    " hangs on that rate, and on the first weights?"
)


def _cells(seeds: int) -> list[Cell]:
    """Name the work: plain training and the cache at three learning rates."""
    return [
        cell
        for rate in RATES
        for settings in seeded(replace(BASE, lr=rate), seeds)
        for cell in (plain_cell(settings), cached_cell(settings))
    ]


def _finding(results: Results, seeds: int) -> Finding:
    """Say how far the rates' curves lie from the printed one, and what the cache gains at each."""
    runs = {rate: list(seeded(replace(BASE, lr=rate), seeds)) for rate in RATES}
    plain = {rate: [results[plain_cell(s).name] for s in own] for rate, own in runs.items()}
    cached = {rate: [results[cached_cell(s).name] for s in own] for rate, own in runs.items()}
    gains = {
        rate: [
            both["cached"]["test_accuracy"][-1] - alone["test_accuracy"][-1]
            for both, alone in zip(cached[rate], plain[rate], strict=True)
        ]
        for rate in RATES
    }
    return Finding(
        name="base",
        title="The base network",
        question=QUESTION,
        answer=_answer(plain, gains),
        tables=[_table(plain, cached)],
        look=Look(charts=[_chart(plain)]),
    )


def _distance(course: dict[str, Any]) -> float:
    """Root mean square distance of a plain curve to the printed one, in points."""
    pairs = zip(course["test_accuracy"], printed()["figure_7"]["plain_accuracy"], strict=True)
    return math.sqrt(mean((a - b) ** 2 for a, b in pairs))


def _answer(plain: dict[float, list[dict[str, Any]]], gains: dict[float, list[float]]) -> str:
    distances = {rate: mean(_distance(run) for run in own) for rate, own in plain.items()}
    nearest = min(distances, key=lambda rate: distances[rate])
    fifth = [run["test_accuracy"][4] for run in plain[BASE.rate]]
    ends = "; ".join(f"{spread(own)} points at {rate:g}" for rate, own in gains.items())
    return (
        f"The curve of {nearest:g} lies nearest, {distances[nearest]:.1f} points from the printed "
        f"one on average; {BASE.rate:g} is used in all that follows. How long a run stays on its "
        f"first plateau hangs on the first weights: after five epochs at {BASE.rate:g} the seeds "
        f"lie between {min(fifth):.0f} and {max(fifth):.0f} %. A single pair of runs says nothing "
        f"of a method. The cache's gain at the end is {ends}."
    )


def _table(
    plain: dict[float, list[dict[str, Any]]], cached: dict[float, list[dict[str, Any]]]
) -> Table:
    lines = [
        [
            f"{rate:g}",
            spread([_distance(run) for run in plain[rate]], 1),
            *(spread([run["test_accuracy"][k] for run in plain[rate]], 1) for k in (2, 4, 9)),
            *(
                spread([run[name]["test_accuracy"][9] for run in cached[rate]], 1)
                for name in ("cached", "random")
            ),
        ]
        for rate in RATES
    ]
    columns = (
        "learning rate",
        "distance to printed (points)",
        *(f"plain, epoch {k}" for k in (3, 5, 10)),
        "cached, epoch 10",
        "random, epoch 10",
    )
    return Table(columns, lines, "Test accuracy in %, mean ± standard deviation over seeds.")


def _chart(plain: dict[float, list[dict[str, Any]]]) -> Chart:
    return Chart(
        "Plain training, batches of 4,096",
        seed_lines(
            {
                f"rate {rate:g}": [run["test_accuracy"] for run in own]
                for rate, own in plain.items()
            },
            x=range(1, 11),
            x_title="epoch",
            y_title="test accuracy (%)",
            printed={"plain": printed()["figure_7"]["plain_accuracy"]},
        ),
        "Means over seeds, with bands of one standard deviation; dotted, as printed.",
    )


EXPERIMENT = Experiment(_cells, _finding)
