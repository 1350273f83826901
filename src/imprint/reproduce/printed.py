"""What the paper prints."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["printed"]


@cache
def printed() -> dict[str, Any]:
    """Give the figures of the paper's tables.

    Returns:
        by figure: accuracies in %, counts of images.

    Source: "Understanding and expediting learning…" (2022), figures 7 to 10.

    Examples:
        >>> printed()["figure_7"]["cached_accuracy"][-1]
        94.2
    """
    text = files("imprint.reproduce").joinpath("printed.json").read_text("utf-8")
    figures: dict[str, Any] = json.loads(text)
    return figures
