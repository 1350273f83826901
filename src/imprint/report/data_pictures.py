"""The pictures that the report of `imprint explore` shows."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from imprint.report.pictures import Shown

__all__ = [
    "ClassLook",
    "DataPictures",
    "PointMap",
]


@dataclass(frozen=True)
class ClassLook:
    """A class's pictures.

    Attributes:
        name: of the class.
        mean: its centroid.
        std: the standard deviation, brightest where its images differ most.
        outliers: those that lie farthest out.
    """

    name: str
    mean: Shown
    std: Shown
    outliers: Sequence[Shown]


@dataclass(frozen=True)
class PointMap:
    """Points of a map, with a sprite each.

    Attributes:
        x: of each point.
        y: likewise.
        labels: an index into the class names.
        marks: 0 for usual, 1 for an outlier, 2 for a label issue, 3 for both.
        names: what is said of each point on hover.
        sheets: of sprites, in the points' order.
    """

    x: Sequence[float]
    y: Sequence[float]
    labels: Sequence[int]
    marks: Sequence[int]
    names: Sequence[str]
    sheets: Sequence[str]


@dataclass(frozen=True)
class DataPictures:
    """All pictures of the report.

    Attributes:
        classes: the first ones.
        equal: groups of equal images.
        near: groups of nearly equal images.
        leaks: groups that several parts share.
        leak_groups: how many there are of these.
        issues: images whose label seems wrong.
        points: the map, or None.
    """

    classes: Sequence[ClassLook] = ()
    equal: Sequence[Sequence[Shown]] = ()
    near: Sequence[Sequence[Shown]] = ()
    leaks: Sequence[Sequence[Shown]] = ()
    leak_groups: int = 0
    issues: Sequence[Shown] = ()
    points: PointMap | None = field(default=None, repr=False)
