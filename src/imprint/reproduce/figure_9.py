"""Figure 9: the base network, and the same architecture trained on its feature maps."""

from statistics import mean
from typing import Any

from imprint.report import Chart, Look, seed_bars
from imprint.reproduce.cells import Cell, Results
from imprint.reproduce.findings import Experiment, Finding, Table
from imprint.reproduce.mapped import maps_cell
from imprint.reproduce.printed import printed
from imprint.reproduce.verdicts import Claim, judge_gain, spread

__all__ = ["EXPERIMENT", "RUNS"]

RUNS = (("mnist", 64), ("mnist", 256), ("fashion-mnist", 4096))
"""Data and batch size of each comparison; the paper names none for Fashion-MNIST."""

QUESTION = (
    "A base network is trained on images; then, from its weights, on the maps of its first layer"
    " after the activation, each of the ten channels an image with its image's label, for one"
    " epoch: ten maps an image, as many steps as the base's ten epochs. Both are judged on images."
    " The control goes on from the same weights for as many steps on images that are blurred as a"
    " first layer blurs: 5 by 5 pixels averaged, 2 by 2 of these pooled. Fashion-MNIST is trained"
    " in batches of 4,096, which end near the printed base."
)

Known = list[dict[str, dict[str, float]]]


def _cells(seeds: int) -> list[Cell]:
    """Name the work: for each comparison and seed all networks."""
    return [maps_cell(data, size, seed) for data, size in RUNS for seed in range(seeds)]


def _finding(results: Results, seeds: int) -> Finding:
    """Judge figure 9."""
    known = {
        run: [results[maps_cell(*run, seed).name]["known"] for seed in range(seeds)] for run in RUNS
    }
    rows = [*printed()["figure_9"]["mnist"], *printed()["figure_9"]["fashion_mnist"]]
    pairs = list(zip(RUNS, rows, strict=True))
    return Finding(
        name="figure-9",
        title="Training on feature maps",
        question=QUESTION,
        answer=_answer(known),
        claims=[
            *(_accuracy(run, row, known[run]) for run, row in pairs),
            *(_gap(run, row, known[run]) for run, row in pairs),
        ],
        tables=[_table(known, dict(pairs))],
        look=Look(charts=[_chart(run, known[run]) for run in RUNS]),
    )


def _name(run: tuple[str, int]) -> str:
    return f"{run[0]}, batches of {run[1]:,}"


def _gains(known: Known, name: str) -> list[float]:
    return [own[name]["test"] - own["base"]["test"] for own in known]


def _gaps(known: Known, name: str) -> list[float]:
    """How much further train lies above test than it does for the base."""
    return [
        (own[name]["train"] - own[name]["test"]) - (own["base"]["train"] - own["base"]["test"])
        for own in known
    ]


def _accuracy(run: tuple[str, int], row: dict[str, float], known: Known) -> Claim:
    gain = row["maps_test"] - row["base_test"]
    return judge_gain(
        f"{_name(run)}: test accuracy {'rises' if gain > 0 else 'falls'} by training on maps",
        gain,
        _gains(known, "each"),
        control=_gains(known, "blurred"),
        control_name="blurred images",
    )


def _gap(run: tuple[str, int], row: dict[str, float], known: Known) -> Claim:
    change = (row["maps_train"] - row["maps_test"]) - (row["base_train"] - row["base_test"])
    return judge_gain(
        f"{_name(run)}: it regularises, train comes closer to test",
        change,
        _gaps(known, "each"),
        control=_gaps(known, "blurred"),
        control_name="blurred images",
    )


def _answer(known: dict[tuple[str, int], Known]) -> str:
    parts = [
        f"{_name(run)}, from {spread([one['base']['test'] for one in own])} to "
        f"{spread([one['each']['test'] for one in own])} %"
        for run, own in known.items()
    ]
    return f"Test accuracy of the base, and after training on each map: {'; '.join(parts)}."


def _table(known: dict[tuple[str, int], Known], rows: dict[Any, dict[str, float]]) -> Table:
    names = list(next(iter(known.values()))[0])
    lines = []
    for run, own in known.items():
        for name in names:
            key = {"base": "base", "each": "maps"}.get(name)
            shown = [
                f"{rows[run][f'{key}_{part}']:.2f}" if key else "" for part in ("train", "test")
            ]
            ours = [spread([one[name][part] for one in own]) for part in ("train", "test")]
            lines.append([_name(run), name, *shown, *ours])
    columns = ("data", "trained on", "train, printed", "test, printed", "train", "test")
    caption = (
        "Accuracy on images in %, mean ± standard deviation over seeds. `each`, `mean` and `energy`"
        " are forms of the maps, from the base's weights but where `fresh` is said."
    )
    return Table(columns, lines, caption)


def _chart(run: tuple[str, int], known: Known) -> Chart:
    names = list(known[0])
    series = {
        part: [[own[name][part] for name in names] for own in known] for part in ("train", "test")
    }
    lowest = min(mean(column) for own in series.values() for column in zip(*own, strict=True))
    figure = seed_bars(series, names=names, x_title="trained on", y_title="accuracy on images (%)")
    figure["layout"]["yaxis"]["range"] = [max(0.0, lowest - 5), 100]
    return Chart(_name(run), figure, "Means over seeds, with one standard deviation.")


EXPERIMENT = Experiment(_cells, _finding)
