"""Figure 8: MNIST, eight batch sizes, plainly and with the cache."""

from dataclasses import replace
from statistics import mean
from typing import Any

from imprint.report import Chart, Look, seed_bars
from imprint.reproduce.base import BASE, cached_cell, plain_cell, seeded
from imprint.reproduce.cells import Cell, Results
from imprint.reproduce.findings import Experiment, Finding, Table
from imprint.reproduce.printed import printed
from imprint.reproduce.verdicts import Claim, judge_gain, spread

__all__ = ["EXPERIMENT"]

QUESTION = (
    "Is the cache worth its images at other batch sizes? All runs take figure 7's network,"
    " optimizer and ten epochs, of which the paper says nothing; at 4,096 its two tables agree, so"
    " ten epochs it was."
)

Gains = dict[int, dict[str, list[float]]]


def _cells(seeds: int) -> list[Cell]:
    """Name the work: for each batch size and seed plain training and the cache."""
    return [
        cell
        for size in reversed(printed()["figure_8"]["batch_size"])
        for settings in seeded(replace(BASE, batch_size=size), seeds)
        for cell in (plain_cell(settings), cached_cell(settings))
    ]


def _finding(results: Results, seeds: int) -> Finding:
    """Judge figure 8."""
    table = printed()["figure_8"]
    courses = {size: _courses(results, size, seeds) for size in table["batch_size"]}
    gains = {size: _gains(own) for size, own in courses.items()}
    return Finding(
        name="figure-8",
        title="Eight batch sizes",
        question=QUESTION,
        answer=_answer(gains),
        claims=[
            _claim(size, a - b, gains[size])
            for size, a, b in zip(
                table["batch_size"], table["cached_test"], table["plain_test"], strict=True
            )
        ],
        tables=[_table(courses)],
        look=Look(charts=[_chart(gains)]),
    )


def _courses(results: Results, size: int, seeds: int) -> dict[str, list[dict[str, Any]]]:
    """The courses of a batch size by method, one a seed."""
    runs = list(seeded(replace(BASE, batch_size=size), seeds))
    cached = [results[cached_cell(settings).name] for settings in runs]
    return {
        "plain": [results[plain_cell(settings).name] for settings in runs],
        "cached": [both["cached"] for both in cached],
        "random": [both["random"] for both in cached],
    }


def _gains(courses: dict[str, list[dict[str, Any]]]) -> dict[str, list[float]]:
    """The test accuracy at the end, to plain training of the same seed."""
    return {
        name: [
            own["test_accuracy"][-1] - plain["test_accuracy"][-1]
            for own, plain in zip(courses[name], courses["plain"], strict=True)
        ]
        for name in ("cached", "random")
    }


def _claim(size: int, gain: float, gains: dict[str, list[float]]) -> Claim:
    what = "gains" if gain > 0 else "loses"
    return judge_gain(
        f"Batches of {size:,}: the cache {what} {abs(gain):.2f} points",
        gain,
        gains["cached"],
        control=gains["random"],
        control_name="as many left out by chance",
    )


def _answer(gains: Gains) -> str:
    best, worst = (
        choose(gains, key=lambda size: mean(gains[size]["cached"])) for choose in (max, min)
    )
    ahead = [
        f"{size:,}"
        for size, own in gains.items()
        if mean(own["cached"]) > max(0.0, mean(own["random"]))
    ]
    return (
        f"The cache's mean gain is highest with batches of {best:,} "
        f"({spread(gains[best]['cached'])} points) and lowest with {worst:,} "
        f"({spread(gains[worst]['cached'])}). Its mean is above both plain training and the "
        f"control with batches of {', '.join(ahead) or 'no size'}."
    )


def _table(courses: dict[int, dict[str, list[dict[str, Any]]]]) -> Table:
    table = printed()["figure_8"]
    lines: list[list[str]] = []
    for k, (size, own) in enumerate(courses.items()):
        ends = [spread([run["test_accuracy"][-1] for run in runs]) for runs in own.values()]
        train = [spread([run["train_accuracy"] for run in own[name]]) for name in _BOTH]
        skipped = mean(
            1 - sum(run["images_trained"]) / sum(run["images_seen"]) for run in own["cached"]
        )
        shown = [f"{table[f'{name}_{part}'][k]:.2f}" for name in _BOTH for part in _PARTS]
        lines.append([f"{size:,}", *shown, *train, *ends, f"{100 * skipped:.0f} %"])
    columns = (
        "batch",
        *(f"{name} {part}, printed" for name in _BOTH for part in _PARTS),
        *(f"{name} train" for name in _BOTH),
        *(f"{name} test" for name in (*_BOTH, "random")),
        "left out",
    )
    return Table(columns, lines, "Accuracy in %, mean ± standard deviation over seeds.")


_BOTH, _PARTS = ("plain", "cached"), ("train", "test")


def _chart(gains: Gains) -> Chart:
    table = printed()["figure_8"]
    series = {
        name: [list(column) for column in zip(*(own[name] for own in gains.values()), strict=True)]
        for name in ("cached", "random")
    }
    pairs = zip(table["cached_test"], table["plain_test"], strict=True)
    return Chart(
        "What the cache gains over plain training",
        seed_bars(
            series,
            names=[f"{size:,}" for size in gains],
            x_title="batch size (images)",
            y_title="test accuracy to plain training (points)",
            printed=[a - b for a, b in pairs],
        ),
        "Means over seeds with one standard deviation; diamonds, as printed. `random` leaves out as"
        " many images by chance.",
    )


EXPERIMENT = Experiment(_cells, _finding)
