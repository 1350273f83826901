"""The charts of an exploration: pure functions from its result to plotly figures."""

from collections.abc import Mapping, Sequence
from typing import Any

from imprint.report.page import Figure
from imprint.report.palette import class_colours

__all__ = ["class_distances", "confused_pairs", "short_names"]

LONGEST_NAME = 18

Result = Mapping[str, Any]


def class_distances(result: Result) -> Figure:
    """Draw the distances between the centroids of classes.

    Args:
        result: with `class_names` and `class_distances`.

    Returns:
        A heat map; the diagonal is left empty.

    Examples:
        >>> result = {"class_names": ["a", "b"], "class_distances": [[0, 2.0], [2.0, 0]]}
        >>> class_distances(result)["data"][0]["z"]
        [[None, 2.0], [2.0, None]]
    """
    names = short_names(result["class_names"])
    cells = [
        [None if i == j else value for j, value in enumerate(row)]
        for i, row in enumerate(result["class_distances"])
    ]
    trace = {
        "type": "heatmap",
        "x": names,
        "y": names,
        "z": cells,
        "colorscale": "Cividis",
        "colorbar": {
            "title": {"text": "euclidean distance", "side": "right"},
            "thickness": 12,
            "outlinewidth": 0,
        },
        "hovertemplate": "%{y} to %{x}: %{z:.2f}<extra></extra>",
    }
    layout = _layout("class", "class", height=max(320, 26 * len(names) + 120))
    layout["xaxis"] |= {"type": "category", "showgrid": False}
    layout["yaxis"] |= {"type": "category", "showgrid": False, "autorange": "reversed"}
    return {"data": [trace], "layout": layout}


def confused_pairs(result: Result) -> Figure:
    """Draw the pairs of classes that are neighbours most often.

    Args:
        result: with `confused_pairs`.

    Returns:
        A bar a pair, the most confused on top.

    Examples:
        >>> row = {"first": "a", "second": "b", "share": 0.25}
        >>> confused_pairs({"confused_pairs": [row]})["data"][0]["x"]
        [25.0]
    """
    rows = result["confused_pairs"]
    pairs = [" and ".join(short_names([row["first"], row["second"]])) for row in rows]
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": [round(100 * row["share"], 3) for row in rows],
        "y": pairs,
        "marker": {"color": class_colours(1)[0]},
        "hovertemplate": "%{y}: %{x:.2f} %<extra></extra>",
    }
    layout = _layout("neighbours of the other class (%)", "pair of classes", height=420)
    layout["yaxis"] |= {"type": "category", "showgrid": False, "autorange": "reversed"}
    layout["xaxis"] |= {"rangemode": "tozero"}
    return {"data": [trace], "layout": layout}


def _layout(x: str, y: str, *, height: int) -> dict[str, Any]:
    return {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "xaxis": {"title": {"text": x, "standoff": 10}, "automargin": True},
        "yaxis": {"title": {"text": y, "standoff": 10}, "automargin": True},
    }


def short_names(names: Sequence[str]) -> list[str]:
    """Shorten names so that they fit on an axis and stay apart.

    Args:
        names: of any length.

    Returns:
        of at most 18 characters, numbered where two would be the same; plotly reads some tags, so
        that none may begin.

    Examples:
        >>> short_names(["cat", "a very long name of a class"])
        ['cat', 'a very l…f a class']
    """
    cut = [name if len(name) <= LONGEST_NAME else f"{name[:8]}…{name[-9:]}" for name in names]
    told = [name if cut.count(name) == 1 else f"{name} ({k})" for k, name in enumerate(cut, 1)]
    return [name.replace("&", "&amp;").replace("<", "&lt;") for name in told]
