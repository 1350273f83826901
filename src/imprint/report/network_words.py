"""The words and numbers of what was seen of a network, for a page and a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["HEALTH_COLUMNS", "grouped_advice", "health_line", "see_findings"]

MOST_NAMES = 4
"""Layers of one advice that are named."""

Result = Mapping[str, Any]

HEALTH_COLUMNS = (
    *("layer", "kind", "channels", "dead", "duplicates", "zeros", "saturated"),
    *("signature norm", "no numbers"),
)
"""Of the health table; what to do follows in a row of its own."""


def health_line(row: Mapping[str, Any]) -> list[str]:
    """Put a layer's health into the cells of a table.

    Args:
        row: of `layers` in the result.

    Returns:
        A text for each of `HEALTH_COLUMNS`.

    Examples:
        >>> row = {"name": "conv1", "kind": "Conv2d", "channels": 4, "dead": [1], "duplicates": []}
        >>> row |= {"zeros": 0.25, "saturation": None, "signature_norm": 1.5, "broken": 0.0}
        >>> health_line(row)[3:]
        ['1', '0', '25.0%', '', '1.50', '0']
    """
    doubled = len({second for _, second in row["duplicates"]})
    saturation = row["saturation"]
    return [
        row["name"],
        row["kind"],
        f"{row['channels']:,}",
        f"{len(row['dead']):,}",
        f"{doubled:,}",
        f"{row['zeros']:.1%}",
        "" if saturation is None else f"{saturation:.1%}",
        f"{row['signature_norm']:.2f}",
        f"{max(row['broken'], 0.0001):.2%}" if row["broken"] else "0",
    ]


def see_findings(result: Result) -> list[str]:
    """Say in a few sentences what was seen.

    Args:
        result: what `result.json` holds.

    Returns:
        The sentences.

    Examples:
        >>> layer = {"name": "0", "channels": 4, "dead": [1], "duplicates": [], "broken": 0.0}
        >>> result = {"layers": [layer], "images": 9, "all_images": 20, "unreadable": 0}
        >>> result |= {"class_names": [], "label_names": [], "unwell_layers": 0}
        >>> see_findings(result)
        ['1 layer puts out maps; looked at with 9 of 20 images.', '1 of 4 channels never answers.']
    """
    layers = result["layers"]
    put = "layer puts" if len(layers) == 1 else "layers put"
    sentences = [f"{len(layers)} {put} out maps; looked at with {_images(result)}."]
    if result["unreadable"]:
        sentences.append(f"{result['unreadable']:,} more could not be read.")
    sentences.extend(_on_names(result["class_names"], result["label_names"]))
    sentences.extend(_on_health(result))
    return sentences


def grouped_advice(result: Result) -> list[tuple[str, str]]:
    """Say what to do, the same advice for several layers once.

    Args:
        result: what `result.json` holds.

    Returns:
        names of layers, and what to do about them, in order of the first.

    Examples:
        >>> layers = [{"name": name, "advice": "train anew."} for name in "abcdefg"]
        >>> grouped_advice({"layers": [*layers, {"name": "h", "advice": ""}]})
        [('a, b, c, d and 3 more', 'train anew.')]
    """
    groups: dict[str, list[str]] = {}
    for row in result["layers"]:
        if row["advice"]:
            groups.setdefault(row["advice"], []).append(row["name"])
    return [(_listed(names), advice) for advice, names in groups.items()]


def _listed(names: Sequence[str]) -> str:
    if len(names) <= MOST_NAMES + 1:
        return ", ".join(names)
    return f"{', '.join(names[:MOST_NAMES])} and {len(names) - MOST_NAMES} more"


def _images(result: Result) -> str:
    """How many images, and of how many."""
    images, total = result["images"], result["all_images"]
    if images < total:
        return f"{images:,} of {total:,} images"
    return "1 image" if images == 1 else f"{images:,} images"


def _on_names(answers: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Whether the network's answers have the names of the data's classes."""
    numbered = list(answers) == [f"class {k}" for k in range(len(answers))]
    if not answers or (labels and list(answers) == list(labels)):
        return []
    if not labels:
        count = "its one answer is" if len(answers) == 1 else f"its {len(answers):,} answers are"
        return [f"No names of classes are known: {count} numbered."] if numbered else []
    classes = "1 class" if len(labels) == 1 else f"{len(labels):,} classes"
    own = "numbered" if numbered else "named as it was trained"
    told = f"The network gives {len(answers):,} answers and the data have {classes}"
    if len(answers) == len(labels):
        told = "The network's classes and the data's have other names"
    return [f"{told}: its answers are {own}."]


def _on_health(result: Result) -> list[str]:
    layers, sentences = result["layers"], []
    channels = sum(row["channels"] for row in layers)
    dead = sum(len(row["dead"]) for row in layers)
    if dead:
        answer = "answers" if dead == 1 else "answer"
        sentences.append(f"{dead:,} of {channels:,} channels never {answer}.")
    if any(row["broken"] for row in layers):
        first = next(row["name"] for row in layers if row["broken"])
        sentences.append(f"NaN or infinity comes up first in {first}.")
    if result["unwell_layers"]:
        count = result["unwell_layers"]
        be = "layer needs" if count == 1 else "layers need"
        sentences.append(f"{count} {be} a look: see the health table.")
    return sentences
