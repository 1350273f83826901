"""The report of `imprint bench exits`, and its table."""

from collections.abc import Mapping
from typing import Any

from imprint.report.axes import named_axes
from imprint.report.page import Chart, Figure, render
from imprint.report.palette import class_colours

__all__ = ["BENCH_EXIT_COLUMNS", "bench_exit_lines", "bench_exits_report"]

BENCH_EXIT_COLUMNS = ("method", "time", "predicted", "accuracy", "extra error", "layers")

Result = Mapping[str, Any]


def bench_exits_report(result: Result, command: str = "") -> str:
    """Make the report: accuracy against time, and the table.

    Args:
        result: what `result.json` holds, of `imprint bench exits`.
        command: how to repeat it.

    Returns:
        One HTML page with all that it needs inside.

    Examples:
        >>> row = {"method": "e2cm", "layers": [], "at_limit": None, "curve": []}
        >>> result = {"methods": [row], "layers": {}, "full_accuracy": 0.9}
        >>> "e2cm" in bench_exits_report(result | {"max_extra_error": 0.005})
        True
    """
    limit = 100 * result["max_extra_error"]
    return render(
        "bench.html",
        title="Ways to answer early",
        summary=(
            f"The same network and images for all; the full network is right on "
            f"{100 * result['full_accuracy']:.2f} %."
        ),
        charts=[_chart(result)],
        columns=BENCH_EXIT_COLUMNS,
        lines=bench_exit_lines(result),
        note=(
            f"Layers and thresholds of each method are the fastest whose extra error is at most "
            f"{limit:g} points on the images that tune; time and accuracy are of other images. Time"
            " is measured, all in turn, and 100 % is the full network; predicted, as in the chart,"
            " it is put together from the seconds to each layer and those that the method takes to"
            " answer there. No promise is asked of anyone here."
        ),
        command=command,
    )


def bench_exit_lines(result: Result) -> list[list[str]]:
    """Put the methods into lines of a table, a text for each of `BENCH_EXIT_COLUMNS`.

    Args:
        result: what `result.json` holds.

    Returns:
        A line a method and smaller network, the fastest first; a method that saves nothing within
        the limit says so.

    Examples:
        >>> point = {"time": 0.4, "measured_time": 0.42, "accuracy": 0.9, "extra_error": 0.002}
        >>> row = {"method": "e2cm", "layers": ["layer1"], "at_limit": point}
        >>> bench_exit_lines({"methods": [row]})
        [['e2cm', '42.0 %', '40.0 %', '90.00 %', '+0.20', 'layer1']]
    """
    lines = [_method_line(row) for row in result["methods"]]
    for row in result.get("smaller", ()):
        extra = 100 * (result["full_accuracy"] - row["accuracy"])
        time, accuracy = 100 * row["measured_time"], 100 * row["accuracy"]
        line = [row["network"], f"{time:.1f} %", "", f"{accuracy:.2f} %", f"{extra:+.2f}", "all"]
        lines.append((row["measured_time"], line))
    return [line for _, line in sorted(lines, key=lambda own: own[0])]


def _method_line(row: Result) -> tuple[float, list[str]]:
    """Its time and its line."""
    point = row["at_limit"]
    if point is None:
        return 2.0, [row["method"], "none within the limit", "", "", "", ""]
    return point["measured_time"], [
        row["method"],
        f"{100 * point['measured_time']:.1f} %",
        f"{100 * point['time']:.1f} %",
        f"{100 * point['accuracy']:.2f} %",
        f"{100 * point['extra_error']:+.2f}",
        ", ".join(row["layers"]),
    ]


def _chart(result: Result) -> Chart:
    colours = class_colours(len(result["methods"]))
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": row["method"],
            "x": [100 * point["time"] for point in row["curve"]],
            "y": [100 * point["accuracy"] for point in row["curve"]],
            "line": {"color": colour, "width": 1.5},
            "marker": {"size": 5},
            "hovertemplate": f"{row['method']}: time %{{x:.1f}} %, accuracy %{{y:.2f}} %"
            "<extra></extra>",
        }
        for row, colour in zip(result["methods"], colours, strict=True)
    ]
    traces += [
        {
            "type": "scatter",
            "mode": "markers",
            "name": row["network"],
            "x": [100 * row["measured_time"]],
            "y": [100 * row["accuracy"]],
            "marker": {"size": 10, "symbol": "diamond", "color": "#8a8f98"},
            "hovertemplate": f"{row['network']}: time %{{x:.1f}} %, accuracy %{{y:.2f}} %"
            "<extra></extra>",
        }
        for row in result.get("smaller", ())
    ]
    full = 100 * result["full_accuracy"]
    line = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": full, "y1": full}
    layout = named_axes("predicted time (% of all)", "accuracy (%)", height=460)
    layout["shapes"] = [line | {"line": {"color": "#8a8f98", "dash": "dot", "width": 1.5}}]
    layout["yaxis"]["range"] = [full - 4, full + 1]
    figure: Figure = {"data": traces, "layout": layout}
    return Chart(
        "Accuracy against time",
        figure,
        "Each point, other thresholds; a diamond, a smaller network. Up and to the left is better;"
        " dotted, the full network.",
    )
