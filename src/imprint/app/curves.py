"""Charts of a training's course so far: pure functions to plotly figures."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from imprint.app.course import Course
from imprint.report.axes import named_axes
from imprint.report.charts import COLOURS, accuracy_by_epoch, accuracy_by_seconds
from imprint.report.data_charts import short_names

__all__ = ["class_counts", "course_table", "courses"]

Figure = dict[str, Any]
Run = Mapping[str, Any]

TRAINED = "images trained (% of the epoch)"
COLUMNS = ("run", "epoch", "loss (nats)", "accuracy (%)", "trained", "skipped", "seconds")
"""Of the table that says the same as the charts."""


def courses(course: Course) -> dict[str, Figure]:
    """Draw a training's course: loss, accuracy, and how much is trained.

    Args:
        course: with at least one epoch.

    Returns:
        The charts by what they show.

    Examples:
        >>> row = {"epoch": 1, "train_loss": 0.5, "test_accuracy": 0.5, "train_seconds": 2.0}
        >>> run = {"epochs": [row | {"images_trained": 3, "images_seen": 4}], "skip": "none"}
        >>> charts = courses(Course({"plain": run}, "running", 8, None, 0.0))
        >>> charts["Images trained"]["data"][0]["y"]
        [75.0]
    """
    runs = course.runs
    return {
        "Training loss": _by_epoch(runs, "training loss (nats)", lambda row: row["train_loss"]),
        "Accuracy against epochs": accuracy_by_epoch(runs),
        "Accuracy against time": accuracy_by_seconds(runs),
        "Images trained": _by_epoch(
            runs, TRAINED, lambda row: 100 * row["images_trained"] / max(1, row["images_seen"])
        ),
    }


def class_counts(run: Run, key: str, unit: str) -> Figure:
    """Draw a count of each class and epoch, one cell each.

    Args:
        run: with the count in each epoch's row.
        key: of the count, `hits_per_class` or `skipped_per_class`.
        unit: what is counted.

    Returns:
        A heat map, classes down, epochs across.

    Examples:
        >>> run = {"class_names": ["a", "b"], "epochs": [{"epoch": 1, "hits_per_class": [1, 0]}]}
        >>> class_counts(run, "hits_per_class", "hits")["data"][0]["z"]
        [[1], [0]]
    """
    rows, names = run["epochs"], short_names(run["class_names"])
    bar = {"title": {"text": f"{unit} (images)", "side": "right"}, "thickness": 12}
    trace = {
        "type": "heatmap",
        "x": [row["epoch"] for row in rows],
        "y": names,
        "z": [[row[key][k] for row in rows] for k in range(len(names))],
        "zmin": 0,
        "colorscale": "Viridis",
        "colorbar": bar | {"outlinewidth": 0},
        "hovertemplate": f"%{{y}}, epoch %{{x}}: %{{z:,}} {unit}<extra></extra>",
    }
    layout = named_axes("epoch", "class", height=min(640, 130 + 24 * len(names)))
    layout["yaxis"] |= {"autorange": "reversed", "type": "category", "showgrid": False}
    layout["xaxis"] |= {"dtick": max(1, -(-len(rows) // 10)), "tick0": 1}
    return {"data": [trace], "layout": layout}


def course_table(course: Course) -> list[list[Any]]:
    """Say the same in numbers, for whoever cannot see the charts, the last epoch first.

    Args:
        course: of a training.

    Returns:
        Rows of `COLUMNS`.

    Examples:
        >>> course_table(Course({}, "running", 8, None, 0.0))
        []
    """
    rows = [(name, row) for name, run in course.runs.items() for row in run["epochs"]]
    rows.sort(key=lambda pair: -pair[1]["epoch"])
    return [
        [
            name,
            row["epoch"],
            f"{row['train_loss']:.4f}",
            f"{100 * row['test_accuracy']:.2f}",
            f"{row['images_trained']:,}",
            f"{row['images_skipped']:,}",
            f"{row['train_seconds']:.1f}",
        ]
        for name, row in rows
    ]


def _by_epoch(runs: Mapping[str, Run], title: str, value: Callable[[Run], float]) -> Figure:
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": escape(str(run["skip"])) if name == "skip" else name,
            "x": [row["epoch"] for row in run["epochs"]],
            "y": [round(value(row), 4) for row in run["epochs"]],
            "line": {"color": COLOURS[name], "width": 2.5},
        }
        for name, run in runs.items()
    ]
    layout = named_axes("epoch", title, height=340)
    layout["margin"] |= {"t": 36}
    layout["xaxis"] |= {"dtick": _tick([run["epochs"] for run in runs.values()]), "tick0": 1}
    layout["yaxis"] |= {"rangemode": "tozero"}
    return {"data": traces, "layout": layout}


def _tick(epochs: Sequence[Sequence[Run]]) -> int:
    return max(1, -(-max(map(len, epochs)) // 10))
