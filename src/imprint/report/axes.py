"""The layout that charts share: named axes, the legend on top."""

from typing import Any

__all__ = ["named_axes"]


def named_axes(x_title: str, y_title: str, *, height: int = 360) -> dict[str, Any]:
    """Lay out a chart.

    Args:
        x_title: name and unit.
        y_title: likewise.
        height: in pixels.

    Returns:
        A layout for plotly.

    Examples:
        >>> named_axes("epoch", "accuracy (%)")["xaxis"]["title"]["text"]
        'epoch'
    """
    return {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "xaxis": {"title": {"text": x_title, "standoff": 10}, "automargin": True},
        "yaxis": {"title": {"text": y_title, "standoff": 10}, "automargin": True},
    }
