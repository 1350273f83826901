"""The report of `imprint early-exit`, and its words."""

from collections.abc import Mapping, Sequence
from typing import Any

from imprint.report.axes import named_axes
from imprint.report.page import Chart, Figure, render
from imprint.report.reproduction import PictureRow

__all__ = ["EXIT_COLUMNS", "early_exit_report", "exit_findings", "exit_lines", "trade_off_chart"]

EXIT_COLUMNS = (
    "answered at",
    "share",
    "accuracy",
    "full network's there",
    "time saved",
    "margin from",
)

LINE, HOLDS, FAILS = "#8a8f98", "#228833", "#ee6677"

Result = Mapping[str, Any]


def early_exit_report(
    result: Result, pictures: Sequence[PictureRow] = (), command: str = ""
) -> str:
    """Make the report of early exits.

    Args:
        result: what `result.json` holds, of `imprint early-exit`.
        pictures: images that leave at each exit.
        command: how to repeat it.

    Returns:
        One HTML page with all that it needs inside.

    Examples:
        >>> rows = {"exits": [], "speed": [], "time_ratio": {}, "curve": [], "settings": {}}
        >>> rates = {"full_accuracy": 0.9, "early_accuracy": 0.9, "extra_error": 0.0}
        >>> promise = {"promised_extra_error": 0.005, "confidence": 0.95, "tested_on": 9}
        >>> result = rows | rates | promise | {"measured_on": 5, "versions": {}, "head": "probe"}
        >>> "Early exits" in early_exit_report(result)
        True
    """
    return render(
        "early_exit.html",
        title="Early exits",
        summary=" ".join(exit_findings(result)),
        facts=_facts(result),
        columns=EXIT_COLUMNS,
        lines=exit_lines(result),
        speeds=_speed_lines(result),
        chart_of=trade_off_chart(result) if result["curve"] else None,
        pictures=pictures,
        settings={**result["settings"], **result["versions"]},
        command=command,
        result=result,
    )


def exit_findings(result: Result) -> list[str]:
    """Say in a few sentences what early exits came to.

    Args:
        result: what `result.json` holds.

    Returns:
        The sentences.

    Examples:
        >>> rates = {"full_accuracy": 0.9, "early_accuracy": 0.898, "extra_error": 0.002}
        >>> promise = {"promised_extra_error": 0.005, "confidence": 0.95, "tested_on": 3333}
        >>> row = {"layer": "layer2", "share": 0.75}
        >>> result = rates | promise | {"exits": [row, {"layer": "end"}], "measured_on": 5000}
        >>> for sentence in exit_findings(result | {"time_ratio": {"32": 0.5}}):
        ...     print(sentence)
        75 % of 5,000 images are answered early; all of them take 50 % (batches of 32) of the full
        network's time.
        The error is 0.20 points above the full network's 10.00 %.
        Promised, with a confidence of 95 %: at most 0.50 points more.
    """
    limit = f"{100 * result['promised_extra_error']:.2f} points"
    if len(result["exits"]) <= 1:
        none = f"No exit saves time while the extra error stays below {limit}"
        return [f"{none}: all images go to the end."]
    early, extra = (100 * value for value in (_early_share(result), result["extra_error"]))
    shares = f"{early:.0f} % of {result['measured_on']:,} images are answered early"
    times = ", ".join(
        f"{100 * ratio:.0f} % (batches of {size})" for size, ratio in result["time_ratio"].items()
    )
    error = f"{abs(extra):.2f} points {'above' if extra >= 0 else 'below'} the full network's"
    promise = f"Promised, with a confidence of {100 * result['confidence']:g} %"
    return [
        f"{shares}; all of them take {times} of the full network's time.",
        f"The error is {error} {100 - 100 * result['full_accuracy']:.2f} %.",
        f"{promise}: at most {limit} more.",
    ]


def _early_share(result: Result) -> float:
    return float(sum(row["share"] for row in result["exits"][:-1]))


def exit_lines(result: Result) -> list[list[str]]:
    """Put the exits into lines of a table, a text for each of `EXIT_COLUMNS`.

    Args:
        result: what `result.json` holds.

    Returns:
        A line an exit, the network's end last.

    Examples:
        >>> row = {"layer": "end", "share": 1.0, "accuracy": 0.9, "full_accuracy": 0.9}
        >>> exit_lines({"exits": [row | {"time_saved": -0.021, "threshold": None}]})
        [['end', '100.0 %', '90.00 %', '90.00 %', '-2.1 %', '']]
    """
    return [
        [
            row["layer"],
            f"{100 * row['share']:.1f} %",
            *(_percent(row[name]) for name in ("accuracy", "full_accuracy")),
            "" if row["time_saved"] is None else f"{100 * row['time_saved']:.1f} %",
            "" if row["threshold"] is None else f"{row['threshold']:.2f}",
        ]
        for row in result["exits"]
    ]


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f} %"


def _facts(result: Result) -> list[tuple[str, str, str]]:
    times = [
        (f"time, batches of {size}", f"{100 * ratio:.0f} %", "of the full network's")
        for size, ratio in result["time_ratio"].items()
    ]
    accuracy = f"{100 * result['early_accuracy']:.2f} %"
    beside = f"full network: {100 * result['full_accuracy']:.2f} %"
    return [("accuracy", accuracy, beside), *times]


def _speed_lines(result: Result) -> list[list[str]]:
    return [
        [
            f"{row['batch_size']}",
            f"{row['images']:,}",
            f"{1000 * row['full']:.3g} ms",
            f"{1000 * row['early']:.3g} ms",
            f"{100 * row['ratio']:.0f} % ({100 * row['low']:.0f} to {100 * row['high']:.0f})",
            f"{100 * row['latency_ratio']:.0f} %",
        ]
        for row in result["speed"]
    ]


def trade_off_chart(result: Result) -> Chart:
    """Draw what other thresholds would come to.

    Args:
        result: what `result.json` holds.

    Returns:
        Extra error against time, with the promised limit.

    Examples:
        >>> curve = [{"time": 0.5, "extra_error": 0.001, "holds": True}]
        >>> chart = trade_off_chart({"curve": curve, "promised_extra_error": 0.005})
        >>> chart.figure["data"][0]["x"]
        [50.0]
    """
    limit = 100 * result["promised_extra_error"]
    traces = [
        _points([row for row in result["curve"] if row["holds"] is holds], name, colour)
        for holds, name, colour in (
            (True, "the promise holds", HOLDS),
            (False, "it is not proven, or fails", FAILS),
        )
    ]
    shape = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": limit, "y1": limit}
    layout = named_axes("predicted time (% of all)", "extra error (points)", height=380)
    shapes = [shape | {"line": {"color": LINE, "dash": "dot", "width": 1.5}}]
    figure: Figure = {"data": traces, "layout": layout | {"shapes": shapes}}
    return Chart(
        "What time costs in accuracy",
        figure,
        "Each point, other thresholds, on the held-out images that test the promise; the loosest"
        " for which it holds is taken. Dotted: the limit.",
    )


def _points(rows: Sequence[Mapping[str, Any]], name: str, colour: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [100 * row["time"] for row in rows],
        "y": [100 * row["extra_error"] for row in rows],
        "marker": {"color": colour, "size": 8},
        "hovertemplate": "time %{x:.1f} %, extra error %{y:.2f} points<extra></extra>",
    }
