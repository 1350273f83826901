"""A chart of labelled points in the plane."""

from collections.abc import Sequence
from typing import Any

from imprint.report.page import Figure
from imprint.report.palette import class_colours

__all__ = ["point_chart"]


def point_chart(
    points: Sequence[Sequence[float]], labels: Sequence[int], *, names: Sequence[str], axes: str
) -> Figure:
    """Draw points, a colour a class.

    Args:
        points: N pairs.
        labels: N, each an index into the names.
        names: of the classes.
        axes: what the axes are named after.

    Returns:
        A trace a class.

    Examples:
        >>> figure = point_chart([[0, 1], [2, 3]], [1, 1], names=["a", "b"], axes="PCA")
        >>> [trace["x"] for trace in figure["data"]]
        [[], [0, 2]]
    """
    traces: list[dict[str, Any]] = [
        {
            "type": "scattergl",
            "mode": "markers",
            "name": name,
            "x": [point[0] for point, label in zip(points, labels, strict=True) if label == k],
            "y": [point[1] for point, label in zip(points, labels, strict=True) if label == k],
            "marker": {"size": 4, "color": colour},
            "hovertemplate": f"{name}<extra></extra>",
        }
        for k, (name, colour) in enumerate(zip(names, class_colours(len(names)), strict=True))
    ]
    layout = {
        "height": 440,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "legend": {"itemsizing": "constant"},
        "xaxis": {"title": {"text": f"{axes} 1", "standoff": 10}, "zeroline": False},
        "yaxis": {"title": {"text": f"{axes} 2", "standoff": 10}, "zeroline": False},
    }
    return {"data": traces, "layout": layout}
