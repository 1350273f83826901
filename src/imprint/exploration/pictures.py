"""The pictures of an exploration's report."""

import torch
from torch import Tensor

from imprint.exploration.results import Findings
from imprint.report import ClassLook, DataPictures, PointMap, Shown, picture, sprite_sheets

__all__ = ["pictures_of"]

MOST_CLASSES = 30
"""Classes that are shown."""

FARTHEST = 12
"""Outliers of a class that are shown."""

MOST_GROUPS = 24
"""Groups of duplicates that are shown, of each kind."""

MOST_MEMBERS = 6
"""Images of a group that are shown."""

MOST_ISSUES = 60
"""Label issues that are shown."""

MOST_POINTS = 60_000
"""Points of the map; more would make the page too large."""


def pictures_of(found: Findings, embedding: Tensor | None) -> DataPictures:
    """Choose and encode what a report shows.

    Args:
        found: all that was found.
        embedding: `(M, 2)`, the rows of the first part on a map, or None.

    Returns:
        The pictures.

    Examples:
        >>> import torch
        >>> from imprint.exploration import ExploreSettings, explore
        >>> from imprint.types import ImageSet
        >>> images = ImageSet(torch.zeros(6, 1, 4, 4).byte(), torch.tensor([0] * 6), ("a",))
        >>> explored = explore(images, settings=ExploreSettings(judge=None))
        >>> len(pictures_of(explored.found, None).equal)
        1
    """
    samples = found.samples
    equal = _groups(samples.duplicate_group)
    near = _groups(samples.near_duplicate_group)
    apart = [group for group in equal if not bool((samples.near_duplicate_group[group] >= 0).any())]
    shared = [group for group in (*apart, *near) if bool(samples.is_leak[group].any())]
    return DataPictures(
        classes=[_class_look(found, k) for k in range(min(MOST_CLASSES, len(found.class_names)))],
        equal=_shown_groups(found, equal),
        near=_shown_groups(found, near),
        leaks=_shown_groups(found, shared),
        leak_groups=len(shared),
        issues=_issues(found),
        points=None if embedding is None else _points(found, embedding),
    )


def _class_look(found: Findings, k: int) -> ClassLook:
    moments = next(iter(found.seen.pixels.values()))
    mean, std = (values[k].view(found.seen.view) for values in (moments.means, moments.stds))
    own = (found.rows.labels == k).nonzero()[:, 0]
    scores = found.samples.outlier_score[own].nan_to_num(0)
    far = own[scores.argsort(descending=True, stable=True)[:FARTHEST]]
    name = found.class_names[k]
    spread = std * (255 / max(float(std.max()), 1.0))
    return ClassLook(
        name,
        Shown(picture(mean.round().to(torch.uint8)), f"mean of {name}"),
        Shown(picture(spread.round().to(torch.uint8)), f"standard deviation of {name}"),
        [
            _shown(found, row, f", score {float(found.samples.outlier_score[row]):.2f}")
            for row in far.tolist()
            if found.samples.outlier_score[row] > 0
        ],
    )


def _groups(numbers: Tensor) -> list[Tensor]:
    """The rows of each group, in the groups' order."""
    members = (numbers >= 0).nonzero()[:, 0]
    ordered = members[numbers[members].argsort(stable=True)]
    counts = numbers[members].bincount().tolist()
    return list(torch.split(ordered, counts))


def _shown_groups(found: Findings, groups: list[Tensor]) -> list[list[Shown]]:
    return [
        [_shown(found, row) for row in group[:MOST_MEMBERS].tolist()]
        for group in groups[:MOST_GROUPS]
    ]


def _issues(found: Findings) -> list[Shown]:
    scores, flags = found.samples.label_issue_score, found.samples.is_label_issue
    suggested = found.samples.suggested_label
    if scores is None or flags is None or suggested is None:
        return []
    rows = flags.nonzero()[:, 0]
    rows = rows[scores[rows].argsort(descending=True, stable=True)[:MOST_ISSUES]]
    names = found.class_names
    return [
        Shown(
            picture(found.rows.read(torch.tensor([row]))[0]),
            f"labelled {names[int(found.rows.labels[row])]}, looks like "
            f"{names[int(suggested[row])]} ({_place(found, row)})",
        )
        for row in rows.tolist()
    ]


def _points(found: Findings, embedding: Tensor) -> PointMap:
    rows = torch.arange(len(embedding))
    if len(rows) > MOST_POINTS:
        rows = torch.linspace(0, len(embedding) - 1, MOST_POINTS).long()
    issues = found.samples.is_label_issue
    marks = found.samples.is_outlier.long()
    marks = marks if issues is None else marks + 2 * issues.long()
    names, labels = found.class_names, found.rows.labels[rows].tolist()
    return PointMap(
        x=[round(value, 3) for value in embedding[rows, 0].tolist()],
        y=[round(value, 3) for value in embedding[rows, 1].tolist()],
        labels=labels,
        marks=marks[rows].tolist(),
        names=[
            f"{names[label]}, {_place(found, row)}"
            for row, label in zip(rows.tolist(), labels, strict=True)
        ],
        sheets=sprite_sheets(found.rows.read(rows)),
    )


def _shown(found: Findings, row: int, more: str = "") -> Shown:
    name = found.class_names[int(found.rows.labels[row])]
    return Shown(
        picture(found.rows.read(torch.tensor([row]))[0]), f"{name}, {_place(found, row)}{more}"
    )


def _place(found: Findings, row: int) -> str:
    part, index = found.rows.names[int(found.rows.part[row])], int(found.rows.index[row])
    paths = found.parts[part].paths
    return paths[index] if paths else f"{part} {index}"
