"""From what was found to what `result.json` holds: flat, with stable keys."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from imprint.exploration.neighbourhood import Neighbourhood
from imprint.exploration.passes import Seen
from imprint.exploration.rows import Rows
from imprint.exploration.samples import Samples
from imprint.exploring import confused_pairs
from imprint.similarity import euclidean_distance
from imprint.types import DataPart

__all__ = ["Findings", "result_of"]


MOST_DISTANCES = 200
"""Classes up to which the distances between all of them are given."""


@dataclass(frozen=True)
class Findings:
    """All that was found, before it is put into words.

    Attributes:
        parts: the data, by name.
        rows: of all parts.
        seen: of the first pass.
        samples: what was found of each row.
        neighbourhood: of some rows of the first part.
        judged: why labels were not judged, or an empty string.
        map_accuracy: of the neighbours on the map, or None.
    """

    parts: Mapping[str, DataPart]
    rows: Rows
    seen: Seen
    samples: Samples
    neighbourhood: Neighbourhood
    judged: str
    map_accuracy: float | None

    @property
    def class_names(self) -> tuple[str, ...]:
        """The K class names."""
        return next(iter(self.parts.values())).images.class_names


def result_of(found: Findings) -> dict[str, Any]:
    """Put what was found into what JSON can hold.

    Args:
        found: all of it.

    Returns:
        The result; `docs/explore.md` lists the keys.

    Examples:
        >>> import torch
        >>> from imprint.exploration import ExploreSettings, explore
        >>> from imprint.types import ImageSet
        >>> images = ImageSet(torch.zeros(6, 1, 4, 4).byte(), torch.tensor([0] * 6), ("a",))
        >>> explored = explore(images, settings=ExploreSettings(judge=None))
        >>> result_of(explored.found)["duplicates"]
        6
    """
    samples, names = found.samples, found.class_names
    signatures = found.seen.signatures
    parts = found.parts
    forms: Counter[tuple[int, int, str]] = Counter()
    for part in parts.values():
        forms.update(part.forms)
    broken = [(name, item) for name, part in parts.items() for item in part.unreadable]
    return {
        "class_names": list(names),
        "parts": {name: len(part.images) for name, part in parts.items()},
        "image_shape": list(next(iter(parts.values())).images.images.shape[1:]),
        "space": "pixels" if signatures is None else "signatures",
        "outliers": int(samples.is_outlier.sum()),
        "noise_images": int(found.seen.is_noise.sum()),
        "duplicate_groups": _count(samples.duplicate_group),
        "duplicates": int((samples.duplicate_group >= 0).sum()),
        "near_duplicate_groups": _count(samples.near_duplicate_group),
        "near_duplicates": int((samples.near_duplicate_group >= 0).sum()),
        "leaks": _leaks(found),
        "conflicting_groups": samples.conflicting_groups,
        **_labels(found),
        "neighbour_accuracy": _share(found.neighbourhood.right),
        "confused_pairs": confused_pairs(found.neighbourhood.votes, _asked_labels(found), names),
        "map_neighbour_accuracy": found.map_accuracy,
        "classes": _classes(found),
        "class_distances": _class_distances(found),
        "outlier_accuracy": _outlier_accuracy(found),
        "image_forms": [
            {"height": height, "width": width, "mode": mode, "count": count}
            for (height, width, mode), count in forms.most_common(20)
        ],
        "unreadable": len(broken),
        "unreadable_files": [
            {"split": name, "path": item.path, "reason": item.reason} for name, item in broken[:100]
        ],
    }


def _labels(found: Findings) -> dict[str, Any]:
    samples, issue = found.samples, found.samples.is_label_issue
    suggested = samples.suggested_label
    right = None if suggested is None else (suggested == found.rows.labels)[found.rows.part == 0]
    return {
        "label_issues": None if issue is None else int(issue.sum()),
        "label_accuracy": None if right is None else _share(right),
        "contradicted": None if issue is None else int((samples.is_contradicted & issue).sum()),
        "labels_unjudged": found.judged,
    }


def _leaks(found: Findings) -> dict[str, int]:
    """By part, its samples that another part has too."""
    leak, part = found.samples.is_leak, found.rows.part
    return {name: int(leak[part == k].sum()) for k, name in enumerate(found.rows.names)}


def _classes(found: Findings) -> list[dict[str, Any]]:
    labels, samples, seen = found.rows.labels, found.samples, found.seen
    asked, right = _asked_labels(found), found.neighbourhood.right
    none = [0] * len(found.class_names)
    looked = {name: moments.counts.tolist() for name, moments in seen.pixels.items()}
    parts = {name: looked.get(name, none) for name in found.parts}
    rows = []
    for k, name in enumerate(found.class_names):
        own = labels == k
        issues = samples.is_label_issue
        rows.append(
            {
                "name": name,
                **{f"{part}_count": counts[k] for part, counts in parts.items()},
                "brightness": _mean(seen.quality.brightness[own]),
                "contrast": _mean(seen.quality.contrast[own]),
                "sharpness": _mean(seen.quality.sharpness[own]),
                "outliers": int(samples.is_outlier[own].sum()),
                "label_issues": None if issues is None else int(issues[own].sum()),
                "neighbour_accuracy": _share(right[asked == k]),
            }
        )
    return rows


def _class_distances(found: Findings) -> list[list[float]] | None:
    """Between the centroids of the first part; NaN, in JSON null, for a class that it lacks."""
    moments = next(iter(found.seen.pixels.values()))
    if moments.num_classes > MOST_DISTANCES:
        return None
    table = euclidean_distance(moments.means / 255, moments.means / 255)
    empty = moments.counts == 0
    table = table.masked_fill(empty | empty[:, None], torch.nan)
    return [[round(value, 4) for value in row] for row in table.tolist()]


def _outlier_accuracy(found: Findings) -> dict[str, Any] | None:
    """How often a network is right on outliers and on the rest, by part."""
    answers = found.seen.answers
    if answers is None or bool((answers == -2).any()) or bool((answers < 0).all()):
        return None
    right, outlier = answers == found.rows.labels, found.samples.is_outlier
    table = {}
    for k, name in enumerate(found.rows.names):
        own = found.rows.part == k
        table[name] = {
            "outliers": int((own & outlier).sum()),
            "outlier_accuracy": _share(right[own & outlier]),
            "rest_accuracy": _share(right[own & ~outlier]),
        }
    return table


def _asked_labels(found: Findings) -> Tensor:
    return found.rows.labels[found.rows.part == 0][found.neighbourhood.rows]


def _count(groups: Tensor) -> int:
    return int(groups.max()) + 1


def _share(flags: Tensor) -> float | None:
    return _mean(flags.float())


def _mean(values: Tensor) -> float | None:
    return round(float(values.mean()), 6) if len(values) else None
