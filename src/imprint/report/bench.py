"""The report of `imprint bench skip`, and its table."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from imprint.report.page import Chart, Figure, render

__all__ = ["BENCH_COLUMNS", "bench_lines", "bench_report"]

BENCH_COLUMNS = (
    "method",
    "keep",
    "right",
    "points to plain",
    "worst",
    "seconds",
    "saved",
)
"""What the table shows of each method and keep ratio."""

NOTE = (
    "Differences are to plain training of the same seed, in points, with their 95 % interval over"
    " seeds. Seconds are of training alone; the runs of a seed took turns, an epoch each. “matched”"
    " is plain training with fewer epochs and its schedule compressed to fit; “random” leaves out"
    " the same share by chance. A method that decides by itself how much it keeps has no control of"
    " its own."
)

COLOURS = {
    "plain": "#4a86c5",
    "matched": "#5b616b",
    "random": "#8a8f98",
    "random-gate": "#b4b8bf",
    "imprint": "#df6d1e",
    "imprint-auto": "#a8430a",
    "imprint-gate": "#f0a868",
    "imprint-both": "#7a4a2a",
}
OTHERS = (
    *("#2a9d74", "#9b5fc0", "#c8465f", "#b08a1e", "#3f8f9f", "#d27db0", "#7a9a3a", "#6a78c9"),
    *("#a06a4a", "#4c9f9f", "#c05fa0"),
)

Summary = Mapping[str, Any]


def bench_report(result: Mapping[str, Any], command: str = "") -> str:
    """Make the report of a benchmark: accuracy against time, and the table.

    Args:
        result: what `result.json` holds, of `imprint bench skip`.
        command: how to repeat it.

    Returns:
        One HTML page with all that it needs inside.

    Examples:
        >>> from imprint.benchmarking.summaries import summarise
        >>> run = {"method": "plain", "keep": None, "seed": 0, "worst_class": 0.5}
        >>> rows = [run | {"accuracy": 0.9, "seconds": 10.0}]
        >>> result = {"rows": rows, "summary": summarise(rows)} | {"seeds": 1, "epochs": 3}
        >>> bench_report(result | {"model": "conv4", "data": "mnist"}).startswith("<!doctype html>")
        True
    """
    epochs, seeds = (_counted(result[name], name) for name in ("epochs", "seeds"))
    columns, lines = _filled(result["summary"])
    return render(
        "bench.html",
        title=f"Skipping methods: {result['model']} on {result['data']}",
        summary=f"{epochs}, {seeds}, paired.",
        charts=[
            Chart(
                "Accuracy against training time",
                accuracy_against_time(result["summary"]),
                "Each point is a method at a keep ratio, the mean over seeds with the 95 % interval"
                " of its accuracy. Up and to the left is better.",
            ),
            Chart(
                "Accuracy lost against time saved",
                difference_against_saving(result["summary"]),
                "To plain training of the same seed. The bars are 95 % intervals; one that reaches"
                " the line at 0 is not told apart from plain training.",
            ),
        ],
        columns=columns,
        lines=lines,
        note=NOTE,
        command=command,
    )


def _counted(number: int, plural: str) -> str:
    return f"{number} {plural if number != 1 else plural.removesuffix('s')}"


def _filled(summary: Sequence[Summary]) -> tuple[list[str], list[list[str]]]:
    """The table's columns and lines, a control that was not run left out."""
    controls = [
        name
        for name in ("random", "matched")
        if any(_difference(row, f"to_{name}") for row in summary)
    ]
    columns = [*BENCH_COLUMNS, *(f"points to {name}" for name in controls)]
    return columns, [
        [*_line(row), *(_difference(row, f"to_{name}") for name in controls)] for row in summary
    ]


def bench_lines(summary: Sequence[Summary]) -> list[list[str]]:
    """Word each row of a summary.

    Args:
        summary: of `result.json`.

    Returns:
        a list of cells a row, as `BENCH_COLUMNS` names them.

    Examples:
        >>> row = {"method": "random", "keep": 0.5, "accuracy_mean": 0.9, "worst_class_mean": 0.8}
        >>> row |= {"seconds_mean": 12.0, "time_saved": 0.25, "accuracy_difference": -0.01}
        >>> row |= {"accuracy_difference_low": -0.02, "accuracy_difference_high": 0.0}
        >>> bench_lines([row])
        [['random', '0.5', '90.00%', '-1.00 [-2.00, +0.00]', '80.0%', '12.0', '25%']]
    """
    return [_line(row) for row in summary]


def _line(row: Summary) -> list[str]:
    plain = row["method"] == "plain"
    name = [row["method"], "" if row["keep"] is None else f"{row['keep']:g}"]
    if not row.get("seeds", 1):
        return [*name, "diverged", "", "", "", ""]
    return [
        *name,
        f"{row['accuracy_mean']:.2%}",
        "" if plain else _difference(row, "accuracy_difference"),
        f"{row['worst_class_mean']:.1%}",
        f"{row['seconds_mean']:.1f}",
        "" if plain or row["time_saved"] is None else f"{row['time_saved']:.0%}",
    ]


def _difference(row: Summary, name: str) -> str:
    """A difference in points with its interval; nothing where there is no such control."""
    middle, low, high = (100 * _number(row.get(f"{name}{end}")) for end in _ENDS)
    if math.isnan(middle):
        return ""
    return f"{middle:+.2f}" + ("" if math.isnan(low) else f" [{low:+.2f}, {high:+.2f}]")


_ENDS = ("", "_low", "_high")


def _number(value: float | None) -> float:
    """JSON has no NaN: an interval of one seed is null."""
    return math.nan if value is None else value


def accuracy_against_time(summary: Sequence[Summary]) -> Figure:
    """Draw the mean accuracy of each method and keep ratio against its seconds.

    Args:
        summary: of `result.json`.

    Returns:
        A line a method, through its keep ratios.

    Examples:
        >>> accuracy_against_time([])["layout"]["xaxis"]["title"]["text"]
        'training time (seconds)'
    """
    return _figure(
        summary,
        x=("seconds_mean", 1.0, "training time (seconds)"),
        y=("accuracy", "_mean", "test accuracy (%)"),
    )


def difference_against_saving(summary: Sequence[Summary]) -> Figure:
    """Draw what each method loses in accuracy against what it saves in time.

    Args:
        summary: of `result.json`.

    Returns:
        A line a method, through its keep ratios.

    Examples:
        >>> difference_against_saving([])["layout"]["yaxis"]["title"]["text"]
        'accuracy to plain (points)'
    """
    figure = _figure(
        [row for row in summary if row["method"] != "plain" and row["time_saved"] is not None],
        x=("time_saved", 100.0, "training time saved (% of plain's)"),
        y=("accuracy_difference", "", "accuracy to plain (points)"),
    )
    figure["layout"]["yaxis"] |= {"rangemode": "tozero", "zeroline": True}
    return figure


def _figure(
    summary: Sequence[Summary], *, x: tuple[str, float, str], y: tuple[str, str, str]
) -> Figure:
    summary = [row for row in summary if row.get("seeds", 1)]
    methods = list(dict.fromkeys(row["method"] for row in summary))
    others = iter(OTHERS * (1 + len(methods)))
    traces = []
    for method in methods:
        rows = sorted(
            (row for row in summary if row["method"] == method), key=lambda row: row[x[0]]
        )
        traces.append(_trace(method, rows, x, y, COLOURS.get(method) or next(others)))
    layout = {
        "height": 460,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "xaxis": {"title": {"text": x[2], "standoff": 10}, "automargin": True},
        "yaxis": {"title": {"text": y[2], "standoff": 10}, "automargin": True},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "hovermode": "closest",
    }
    return {"data": traces, "layout": layout}


def _trace(
    method: str,
    rows: Sequence[Summary],
    x: tuple[str, float, str],
    y: tuple[str, str, str],
    colour: str,
) -> dict[str, Any]:
    middle = [100 * row[y[0] + y[1]] for row in rows]
    low, high = ([_number(row[f"{y[0]}_{end}"]) * 100 for row in rows] for end in ("low", "high"))
    known = not any(map(math.isnan, low))
    bars = {
        "type": "data",
        "symmetric": False,
        "array": [round(h - m, 4) for h, m in zip(high, middle, strict=True)] if known else [],
        "arrayminus": [round(m - lo, 4) for lo, m in zip(low, middle, strict=True)]
        if known
        else [],
        "thickness": 1,
    }
    return {
        "type": "scatter",
        "mode": "lines+markers+text" if len(rows) > 1 else "markers",
        "name": method,
        "x": [round(x[1] * row[x[0]], 3) for row in rows],
        "y": [round(value, 4) for value in middle],
        "text": ["" if row["keep"] is None else f"{row['keep']:g}" for row in rows],
        "textposition": "bottom center",
        "error_y": bars,
        "marker": {"color": colour, "size": 9},
        "line": {"color": colour, "width": 1.5},
    }
