"""Figure 7: MNIST in batches of 4,096, ten epochs, plainly and with the cache."""

from collections.abc import Sequence
from statistics import mean
from typing import Any

from imprint.report import Chart, Look, seed_lines
from imprint.reproduce.base import BASE, Reading, cached_cell, plain_cell, seeded
from imprint.reproduce.cells import Cell, Results
from imprint.reproduce.findings import Experiment, Finding, Table
from imprint.reproduce.printed import printed
from imprint.reproduce.verdicts import judge_gain, judge_match, spread

__all__ = ["EXPERIMENT"]

QUESTION = (
    "Does training that leaves out what the cache knows reach higher accuracy than training on all,"
    " epoch by epoch? All runs of a seed start from the same weights. The control leaves out as"
    " many images of each batch by chance."
)

READ = 3
"""Seeds of the readings that are not judged but by their hits."""

OTHERS: dict[str, Reading] = {
    "cached, by the formula": "formula",
    "cached, by the text": "text",
}

Course = dict[str, Any]


def _cells(seeds: int) -> list[Cell]:
    """Name the work: plain training and the cache; for the first seeds other readings, too."""
    judged = [
        cell
        for settings in seeded(BASE, seeds)
        for cell in (plain_cell(settings), cached_cell(settings))
    ]
    others = [
        cached_cell(settings, reading=reading)
        for settings in seeded(BASE, min(seeds, READ))
        for reading in OTHERS.values()
    ]
    return judged + others


def _finding(results: Results, seeds: int) -> Finding:
    """Judge figure 7."""
    runs = _runs(results, seeds)
    table = printed()["figure_7"]
    accuracy = {name: [run["test_accuracy"] for run in own] for name, own in runs.items()}
    read = {"cached": runs["cached"]} | {
        name: [
            results[cached_cell(settings, reading=reading).name]["cached"]
            for settings in seeded(BASE, min(seeds, READ))
        ]
        for name, reading in OTHERS.items()
    }
    hits = {name: [run["hits"] for run in own] for name, own in read.items()}
    return Finding(
        name="figure-7",
        title="Accelerated learning, batches of 4,096",
        question=QUESTION,
        answer=_answer(runs),
        claims=[
            _final(accuracy),
            _early(accuracy),
            judge_match("Hits an epoch", table["cache_hits"], hits["cached"]),
            *(
                judge_match(f"Hits an epoch, {name}", table["cache_hits"], hits[name])
                for name in OTHERS
            ),
        ],
        tables=[_table(runs)],
        look=Look(charts=_charts(accuracy, hits)),
    )


def _runs(results: Results, seeds: int) -> dict[str, list[Course]]:
    """The courses of each method, one a seed."""
    runs: dict[str, list[Course]] = {}
    for settings in seeded(BASE, seeds):
        both = results[cached_cell(settings).name]
        for name, course in (
            ("plain", results[plain_cell(settings).name]),
            ("cached", both["cached"]),
            ("random, as many", both["random"]),
        ):
            runs.setdefault(name, []).append(course)
    return runs


def _gains(one: Sequence[Sequence[float]], other: Sequence[Sequence[float]]) -> list[list[float]]:
    """The differences of each seed and epoch."""
    return [
        [a - b for a, b in zip(left, right, strict=True)]
        for left, right in zip(one, other, strict=True)
    ]


def _final(accuracy: dict[str, list[list[float]]]) -> Any:
    gains = _gains(accuracy["cached"], accuracy["plain"])
    chance = _gains(accuracy["random, as many"], accuracy["plain"])
    return judge_gain(
        "After ten epochs the cache is ahead of plain training: 94.2 against 91.8 %",
        94.2 - 91.8,
        [gain[-1] for gain in gains],
        control=[gain[-1] for gain in chance],
        control_name="as many left out by chance",
    )


def _early(accuracy: dict[str, list[list[float]]]) -> Any:
    table = printed()["figure_7"]
    gains = _gains(accuracy["cached"], accuracy["plain"])
    chance = _gains(accuracy["random, as many"], accuracy["plain"])
    return judge_gain(
        "The cache learns sooner: the mean accuracy over the ten epochs",
        mean(_gains([table["cached_accuracy"]], [table["plain_accuracy"]])[0]),
        [mean(gain) for gain in gains],
        control=[mean(gain) for gain in chance],
        control_name="as many left out by chance",
    )


def _answer(runs: dict[str, list[Course]]) -> str:
    trained = mean(sum(run["images_trained"]) for run in runs["cached"])
    epochs = trained / 60_000
    reached = [run["test_accuracy"][max(0, round(epochs) - 1)] for run in runs["plain"]]
    cached = [run["test_accuracy"][-1] for run in runs["cached"]]
    return (
        f"The cache trains on {trained:,.0f} images in ten epochs, as many as plain training "
        f"does in {epochs:.1f}. By then plain training, which takes larger and fewer steps, is at "
        f"{spread(reached)} %; the cache ends at {spread(cached)} %."
    )


def _charts(
    accuracy: dict[str, list[list[float]]], hits: dict[str, list[list[float]]]
) -> list[Chart]:
    table, epochs, among = printed()["figure_7"], range(1, 11), (*accuracy, *OTHERS)
    return [
        Chart(
            "Accuracy after each epoch",
            seed_lines(
                accuracy,
                x=epochs,
                x_title="epoch",
                y_title="test accuracy (%)",
                printed={"plain": table["plain_accuracy"], "cached": table["cached_accuracy"]},
                among=among,
            ),
            "Means over seeds, with bands of one standard deviation; dotted, as printed.",
        ),
        Chart(
            "Hits in each epoch",
            seed_lines(
                hits,
                x=epochs,
                x_title="epoch",
                y_title="hits (images of 60,000)",
                printed={"cached": table["cache_hits"]},
                among=among,
            ),
            "An image that hits is left out of its step. The formula and the text are read with the"
            " first convolution and one cache for all of training; what is judged, with the second"
            " and a cache that is emptied before each epoch.",
        ),
    ]


def _table(runs: dict[str, list[Course]]) -> Table:
    table = printed()["figure_7"]
    lines = [
        [
            str(epoch + 1),
            f"{table['plain_accuracy'][epoch]:.1f}",
            f"{table['cached_accuracy'][epoch]:.1f}",
            *(spread([run["test_accuracy"][epoch] for run in own]) for own in runs.values()),
            f"{table['cache_hits'][epoch]:,}",
            f"{mean(run['hits'][epoch] for run in runs['cached']):,.0f}",
        ]
        for epoch in range(10)
    ]
    columns = ("epoch", "plain, printed", "cached, printed", *runs, "hits, printed", "hits")
    return Table(columns, lines, "Test accuracy in %, mean ± standard deviation over seeds.")


EXPERIMENT = Experiment(_cells, _finding, seeds=10)
