"""The chart of how fast a network's layers settle."""

from collections.abc import Mapping
from typing import Any

from imprint.report.page import Chart, Figure
from imprint.report.palette import class_colours

__all__ = ["settling_chart"]


def settling_chart(result: Mapping[str, Any]) -> Chart:
    """Draw how similar each layer's signatures are from epoch to epoch.

    Args:
        result: with `evolution`.

    Returns:
        A line a layer.

    Examples:
        >>> row = {"layer": "0", "epochs": [1, 2, 3], "to_next": [0.5, 0.9], "to_last": [0.4, 0.9]}
        >>> settling_chart({"evolution": [row]}).figure["data"][0]["x"]
        [2, 3]
    """
    rows = result["evolution"]
    colours = class_colours(len(rows))
    dashes = ("solid", "dash", "dot", "dashdot")
    lines = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": row["layer"].replace("&", "&amp;").replace("<", "&lt;"),
            "x": list(row["epochs"][1:]),
            "y": list(row["to_next"]),
            "line": {"color": colour, "dash": dashes[k % len(dashes)]},
            "hovertemplate": "epoch %{x}: %{y:.4f}<extra>%{fullData.name}</extra>",
        }
        for k, (row, colour) in enumerate(zip(rows, colours, strict=True))
    ]
    caption = (
        "The mean cosine similarity of the same images' signatures to those of the epoch before."
        " A layer whose line stays near 1 has settled."
    )
    return Chart("How fast each layer settles", _figure(lines), caption)


def _figure(lines: list[dict[str, Any]]) -> Figure:
    layout = {
        "height": 380,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "xaxis": {"title": {"text": "epoch", "standoff": 10}, "automargin": True, "dtick": None},
        "yaxis": {"title": {"text": "similarity", "standoff": 10}, "automargin": True},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "showlegend": True,
    }
    if len(lines[0]["x"]) <= 12:
        layout["xaxis"] |= {"dtick": 1}  # type: ignore[operator]
    return {"data": lines, "layout": layout}
