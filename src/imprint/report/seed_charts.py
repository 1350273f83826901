"""Charts of what several seeds gave, beside what was printed: pure functions to plotly figures."""

from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from imprint.report.axes import named_axes
from imprint.report.page import Figure
from imprint.report.palette import class_colours

__all__ = ["seed_bars", "seed_lines"]

PRINTED = "#8a8f98"

Seeds = Sequence[Sequence[float]]
"""For each seed a value a place."""


def seed_lines(
    series: Mapping[str, Seeds],
    *,
    x: Sequence[float],
    x_title: str,
    y_title: str,
    printed: Mapping[str, Sequence[float]] | None = None,
    among: Sequence[str] = (),
) -> Figure:
    """Draw a line through the means of each series, within a band of one standard deviation.

    Args:
        series: by their names, for each seed a value for each x.
        x: where the values stand.
        x_title: name and unit.
        y_title: likewise.
        printed: figures to draw beside them, dashed; one of a series' name takes its colour.
        among: all names of several charts, so that each keeps its colour; else those of the series.

    Returns:
        The figure.

    Examples:
        >>> figure = seed_lines({"a": [[1, 2], [3, 4]]}, x=[1, 2], x_title="x", y_title="y")
        >>> figure["data"][-1]["y"]
        [2, 3]
    """
    names = among or tuple(series)
    colours = dict(zip(names, class_colours(len(names)), strict=True))
    traces = [_band(values, x, colours[name]) for name, values in series.items() if len(values) > 1]
    for name, values in series.items():
        traces.append(_line(name, x, _means(values), colours[name], dash="solid"))
    for name, figures in (printed or {}).items():
        traces.append(
            _line(f"{name}, printed", x, list(figures), colours.get(name, PRINTED), dash="dot")
        )
    return {"data": traces, "layout": _layout(x_title, y_title)}


def seed_bars(
    series: Mapping[str, Seeds],
    *,
    names: Sequence[str],
    x_title: str,
    y_title: str,
    printed: Sequence[float] | None = None,
) -> Figure:
    """Draw the mean of each series at each name, with its standard deviation.

    Args:
        series: by their names, for each seed a value for each of the names.
        names: along the axis.
        x_title: what they name.
        y_title: name and unit of the values.
        printed: a figure for each name to draw beside them.

    Returns:
        The figure.

    Examples:
        >>> bars = seed_bars({"a": [[1], [3]]}, names=["here"], x_title="place", y_title="y")
        >>> bars["data"][0]["y"], bars["data"][0]["error_y"]["array"]
        ([2], [1.4142135623730951])
    """
    colours = class_colours(len(series))
    traces: list[dict[str, Any]] = [
        {
            "type": "bar",
            "name": name,
            "x": list(names),
            "y": _means(values),
            "error_y": {"array": _deviations(values), "thickness": 1.2, "width": 3},
            "marker": {"color": colour},
            "hovertemplate": f"%{{x}}: {name} %{{y:.2f}}<extra></extra>",
        }
        for (name, values), colour in zip(series.items(), colours, strict=True)
    ]
    if printed is not None:
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "printed",
                "x": list(names),
                "y": list(printed),
                "marker": {"color": PRINTED, "symbol": "diamond", "size": 10},
                "hovertemplate": "%{x}: printed %{y:.2f}<extra></extra>",
            }
        )
    layout = _layout(x_title, y_title) | {"barmode": "group"}
    layout["xaxis"] |= {"type": "category"}
    return {"data": traces, "layout": layout}


def _means(values: Seeds) -> list[float]:
    return [mean(column) for column in zip(*values, strict=True)]


def _deviations(values: Seeds) -> list[float]:
    return [stdev(column) if len(column) > 1 else 0.0 for column in zip(*values, strict=True)]


def _line(
    name: str, x: Sequence[float], y: Sequence[float], colour: str, *, dash: str
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers" if dash == "solid" else "lines",
        "name": name,
        "x": list(x),
        "y": list(y),
        "line": {"color": colour, "dash": dash, "width": 2},
        "marker": {"size": 5},
        "hovertemplate": f"{name}: %{{y:.2f}}<extra></extra>",
    }


def _band(values: Seeds, x: Sequence[float], colour: str) -> dict[str, Any]:
    """The area of a standard deviation to each side of the means."""
    means, deviations = _means(values), _deviations(values)
    upper = [m + d for m, d in zip(means, deviations, strict=True)]
    lower = [m - d for m, d in zip(means, deviations, strict=True)]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [*x, *reversed(x)],
        "y": [*upper, *reversed(lower)],
        "fill": "toself",
        "fillcolor": f"{colour}30",
        "line": {"width": 0},
        "showlegend": False,
        "hoverinfo": "skip",
    }


def _layout(x: str, y: str) -> dict[str, Any]:
    return named_axes(x, y) | {"hovermode": "x unified"}
