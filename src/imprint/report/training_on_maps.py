"""What the report of `imprint train` says of a run on feature maps."""

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["OnMaps", "accuracies_on_maps", "maps_sentence"]


class OnMaps(NamedTuple):
    """How a network fares.

    Attributes:
        name: of the network: `base`, or of the run.
        images: its accuracy on the test images, in [0, 1].
        maps: its accuracy on the test images' maps.
    """

    name: str
    images: float
    maps: float


def accuracies_on_maps(
    runs: Mapping[str, Mapping[str, Any]], result: Mapping[str, Any]
) -> list[OnMaps]:
    """Set runs on maps beside their base.

    Args:
        runs: one or two, by name.
        result: what `result.json` holds.

    Returns:
        the base first; nothing where no run was on maps.

    Examples:
        >>> accuracies_on_maps({}, {"base_test_accuracy": 0.9, "base_test_maps_accuracy": 0.5})
        [OnMaps(name='base', images=0.9, maps=0.5)]
    """
    if "base_test_accuracy" not in result:
        return []
    base = OnMaps("base", result["base_test_accuracy"], result["base_test_maps_accuracy"])
    rows = (
        OnMaps(f"on maps, {name}", run["test_accuracy"], run["test_maps_accuracy"])
        for name, run in runs.items()
    )
    return [base, *rows]


def maps_sentence(result: Mapping[str, Any]) -> str:
    """Say which maps a run was trained on.

    Args:
        result: what `result.json` holds, of a run on maps.

    Returns:
        Text for a page.

    Examples:
        >>> about = {"on_maps": "runs/a", "maps_layer": "conv1", "form": "each", "init": "base"}
        >>> about |= {"maps_shape": [1, 24, 24], "maps_images": 10, "normalised": False}
        >>> print(maps_sentence(about | {"maps_negative": 0.5, "maps_zero": 0}))
        Trained on 10 maps of conv1 ... of runs/a, ... 50.0% of their values are negative, ...
    """
    kinds = {
        "each": "each channel an image",
        "mean": "the mean of all channels",
        "energy": "the mean of all channels' absolute values",
    }
    activation = result.get("maps_activation")
    where = f"after its activation ({activation})" if activation else "before its activation"
    height, width = result["maps_shape"][1:]
    scaled = "brought to mean 0 and deviation 1" if result["normalised"] else "as they are"
    start = "the base's weights" if result["init"] == "base" else "fresh weights"
    return (
        f"Trained on {result['maps_images']:,} maps of {result['maps_layer']} {where}, of "
        f"{result['on_maps']}, {kinds[result['form']]}, {height} by {width} pixels, {scaled}; from "
        f"{start}. {result['maps_negative']:.1%} of their values are negative, "
        f"{result['maps_zero']:.1%} zero. Test images are prepared as for the base."
    )
