"""The charts of a training report: pure functions from results to plotly figures."""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import accumulate
from typing import Any

from imprint.report.page import Figure

__all__ = [
    "accuracy_by_class",
    "accuracy_by_epoch",
    "accuracy_by_seconds",
    "class_epoch_map",
    "similarity_by_class",
]

COLOURS = {"plain": "#4a86c5", "skip": "#df6d1e"}
MEDIAN, THRESHOLD = "#4a86c5", "#df6d1e"
LONGEST_NAME = 16
ROW_PIXELS = 24
TALLEST = 640

Run = Mapping[str, Any]
"""One run's part of `result.json`."""


def accuracy_by_epoch(runs: Mapping[str, Run]) -> Figure:
    """Draw test accuracy against epochs.

    Args:
        runs: by their names, `plain` and `skip`.

    Returns:
        A line a run.

    Examples:
        >>> run = {"epochs": [{"epoch": 1, "test_accuracy": 0.5, "train_seconds": 2.0}]}
        >>> accuracy_by_epoch({"plain": run})["data"][0]["y"]
        [50.0]
    """
    return _accuracy(runs, lambda rows: [row["epoch"] for row in rows], "epoch", whole=True)


def accuracy_by_seconds(runs: Mapping[str, Run]) -> Figure:
    """Draw test accuracy against the seconds of training so far, tests not counted.

    Args:
        runs: by their names, `plain` and `skip`.

    Returns:
        A line a run.

    Examples:
        >>> run = {"epochs": [{"epoch": 1, "test_accuracy": 0.5, "train_seconds": 2.0}]}
        >>> accuracy_by_seconds({"plain": run})["data"][0]["x"]
        [2.0]
    """
    return _accuracy(
        runs,
        lambda rows: [round(s, 3) for s in accumulate(row["train_seconds"] for row in rows)],
        "training time (seconds)",
        whole=False,
    )


def class_epoch_map(run: Run, key: str, class_sizes: Sequence[int], unit: str) -> Figure:
    """Draw a count of each class and epoch as a share of the class, one cell each.

    Args:
        run: with the count in each epoch's row.
        key: of the count, `hits_per_class` or `skipped_per_class`.
        class_sizes: images of each class in the training data.
        unit: what is counted, for the colour bar.

    Returns:
        A heat map, classes down, epochs across.

    Examples:
        >>> run = {"class_names": ["a", "b"], "epochs": [{"epoch": 1, "hits_per_class": [1, 0]}]}
        >>> class_epoch_map(run, "hits_per_class", [4, 0], "hits")["data"][0]["z"]
        [[25.0], [None]]
    """
    names, rows = _names(run), run["epochs"]
    cells = [
        [round(100 * row[key][k] / size, 2) if size else None for row in rows]
        for k, size in enumerate(class_sizes)
    ]
    trace = {
        "type": "heatmap",
        "x": [row["epoch"] for row in rows],
        "y": names,
        "z": cells,
        "zmin": 0,
        "zmax": 100,
        "colorscale": "Viridis",
        "colorbar": {
            "title": {"text": f"{unit} (% of class)", "side": "right"},
            "thickness": 12,
            "outlinewidth": 0,
        },
        "hovertemplate": f"%{{y}}, epoch %{{x}}: {unit} %{{z:.1f}} %<extra></extra>",
    }
    layout = _layout("epoch", "class", height=_height(len(names)))
    layout["xaxis"] |= _whole(len(rows))
    layout["yaxis"] |= {"autorange": "reversed", "type": "category", "showgrid": False}
    return {"data": [trace], "layout": layout}


def similarity_by_class(run: Run, when: str) -> Figure:
    """Draw how similar each class's images are to its prototype, and the threshold of a hit.

    Args:
        run: with `similarity`.
        when: `early` or `late`.

    Returns:
        A median with its 5th to 95th percentile for each class, and a bar at the threshold.

    Source: the paper's figures 5 and 6.

    Examples:
        >>> spread = {"low": 0.5, "median": 0.7, "high": 0.8, "threshold": 0.6}
        >>> run = {"class_names": ["a"], "similarity": {"late": {"epoch": 3, "classes": [spread]}}}
        >>> similarity_by_class(run, "late")["data"][1]["y"]
        [0.6]
    """
    names, classes = _names(run), run["similarity"][when]["classes"]
    known = [k for k, spread in enumerate(classes) if spread["median"] is not None]
    x = [names[k] for k in known]
    low, median, high, threshold = (
        [classes[k][key] for k in known] for key in ("low", "median", "high", "threshold")
    )
    spread = {
        "type": "scatter",
        "mode": "markers",
        "name": "median, 5 to 95 %",
        "x": x,
        "y": median,
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [b - a for a, b in zip(median, high, strict=True)],
            "arrayminus": [b - a for a, b in zip(low, median, strict=True)],
            "thickness": 2,
            "width": 3,
        },
        "marker": {"color": MEDIAN, "size": 8},
    }
    bars = {
        "type": "scatter",
        "mode": "markers",
        "name": "threshold",
        "x": x,
        "y": threshold,
        "marker": {
            "symbol": "line-ew-open",
            "color": THRESHOLD,
            "size": 14,
            "line": {"width": 3},
        },
    }
    layout = _layout("class", "similarity to own prototype")
    layout["xaxis"] |= {"type": "category", "showgrid": False}
    layout["yaxis"] |= {"range": _similarity_range(run)}
    return {"data": [spread, bars], "layout": layout}


def accuracy_by_class(runs: Mapping[str, Run], most: int = 30) -> Figure:
    """Draw the test accuracy of each class, the worst on top.

    Args:
        runs: by their names, `plain` and `skip`.
        most: classes to show.

    Returns:
        A dot a run and class.

    Examples:
        >>> run = {"class_names": ["a", "b"], "class_accuracy": [0.9, 0.5]}
        >>> accuracy_by_class({"plain": run})["data"][0]["y"]
        ['b', 'a']
    """
    last = list(runs.values())[-1]
    known = [k for k, value in enumerate(last["class_accuracy"]) if value is not None]
    shown = sorted(known, key=lambda k: last["class_accuracy"][k])[:most]
    names = _names(last)
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": _legend(name, run),
            "x": [round(100 * run["class_accuracy"][k], 3) for k in shown],
            "y": [names[k] for k in shown],
            "marker": {"color": COLOURS[name], "size": 10, "opacity": 0.85},
        }
        for name, run in runs.items()
    ]
    layout = _layout("test accuracy (%)", "class", height=_height(len(shown)))
    layout["yaxis"] |= {"autorange": "reversed", "type": "category"}
    return {"data": traces, "layout": layout}


def _accuracy(runs: Mapping[str, Run], x: Any, title: str, *, whole: bool) -> Figure:
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": _legend(name, run),
            "x": x(run["epochs"]),
            "y": [round(100 * row["test_accuracy"], 3) for row in run["epochs"]],
            "line": {"color": COLOURS[name], "width": 2.5},
        }
        for name, run in runs.items()
    ]
    layout = _layout(title, "test accuracy (%)")
    if whole:
        layout["xaxis"] |= _whole(max(len(run["epochs"]) for run in runs.values()))
    else:
        layout["xaxis"] |= {"rangemode": "tozero"}
    return {"data": traces, "layout": layout}


def _layout(x: str, y: str, *, height: int = 340) -> dict[str, Any]:
    axis = {"automargin": True, "zeroline": False}
    return {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 36, "b": 8},
        "xaxis": {"title": {"text": x, "standoff": 10}, **axis},
        "yaxis": {"title": {"text": y, "standoff": 10}, **axis},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "hovermode": "closest",
    }


def _whole(epochs: int) -> dict[str, Any]:
    """Ticks at whole epochs, ten at most."""
    return {"dtick": max(1, -(-epochs // 10)), "tick0": 1}


def _height(rows: int) -> int:
    return min(TALLEST, 130 + ROW_PIXELS * rows)


def _legend(name: str, run: Run) -> str:
    return escape(run.get("skip", name) if name == "skip" else name)


def _names(run: Run) -> list[str]:
    """Class names for an axis: short, distinct, and without what plotly takes for markup."""
    short = [
        name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
        for name in (" ".join(name.split()) for name in run["class_names"])
    ]
    distinct = len(set(short)) == len(short)
    return [escape(name if distinct else f"{name} #{k}") for k, name in enumerate(short)]


def _similarity_range(run: Run) -> list[float]:
    """One range for early and late, so that the two charts compare."""
    ends = [
        spread[key]
        for part in run["similarity"].values()
        for spread in part["classes"]
        for key in ("low", "high", "threshold")
        if spread["median"] is not None
    ]
    if not ends:
        return [0.0, 1.0]
    margin = max(0.01, 0.05 * (max(ends) - min(ends)))
    return [min(ends) - margin, max(ends) + margin]
