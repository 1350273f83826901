"""What an exploration found, read from its table: points of the map, outliers, suspects."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from imprint.data import spelled
from imprint.errors import DamagedFileError, MissingFileError
from imprint.report import Shown, picture
from imprint.report.axes import named_axes
from imprint.report.data_charts import short_names
from imprint.report.palette import class_colours
from imprint.runs import read_json
from imprint.types import DataPart

__all__ = ["Explored", "Sample", "map_of", "outliers_of", "read_explored", "shown", "suspects_of"]

Figure = dict[str, Any]

MOST_POINTS = 20_000
"""Points of the map; more would make a browser slow."""

LARGEST = 500_000_000
"""Bytes of a table that is read."""


class Sample(NamedTuple):
    """A row of an exploration's table.

    Attributes:
        split: its part.
        row: its place in the part.
        path: of its file; empty for none.
        label: its class.
        score: how far out it lies; None where not known.
        doubt: of its label; likewise.
        flagged: whether it is an outlier, and whether its label is suspected.
        suggested: the class that it looks like.
        at: its place on the map; None for none.
    """

    split: str
    row: int
    path: str
    label: str
    score: float | None
    doubt: float | None
    flagged: tuple[bool, bool]
    suggested: str
    at: tuple[float, float] | None

    @property
    def place(self) -> str:
        """Where it comes from, for a caption."""
        return self.path or f"{self.split} {self.row}"


class Explored(NamedTuple):
    """An exploration.

    Attributes:
        config: what was asked.
        result: its counts.
        samples: a row a sample, what could not be read left out.
    """

    config: Mapping[str, Any]
    result: Mapping[str, Any]
    samples: list[Sample]

    @property
    def class_names(self) -> list[str]:
        """The K names."""
        return [spelled(str(name)) for name in self.result.get("class_names", [])]


def read_explored(folder: Path) -> Explored:
    """Read an exploration.

    Args:
        folder: of its run.

    Returns:
        What it found.

    Raises:
        MissingFileError: where a file is not there.
        DamagedFileError: where one cannot be read.

    Examples:
        >>> read_explored(Path("nowhere"))
        Traceback (most recent call last):
        imprint.errors.MissingFileError: expected a file nowhere/config.json, found none
    """
    config, result = (read_json(folder / name) for name in ("config.json", "result.json"))
    table = folder / "samples.csv"
    if not table.is_file():
        raise MissingFileError(f"expected a file {table}, found none")
    try:
        if table.stat().st_size > LARGEST:
            raise ValueError(f"at most {LARGEST:,} bytes")
        lines = csv.DictReader(io.StringIO(table.read_text(encoding="utf-8", errors="replace")))
        samples = [_sample(row) for row in lines if row["is_unreadable"] != "true"]
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise DamagedFileError(f"{table}: expected a table of samples, {error}") from error
    return Explored(config, result, samples)


def map_of(explored: Explored) -> Figure | None:
    """Draw the map: a point a sample, a colour a class.

    Args:
        explored: what was found.

    Returns:
        The chart; None where no map was drawn.

    Examples:
        >>> map_of(Explored({}, {"class_names": []}, [])) is None
        True
    """
    points = [own for own in explored.samples if own.at is not None]
    if not points:
        return None
    points = points[:: -(-len(points) // MOST_POINTS)]
    names = explored.class_names
    colours = class_colours(len(names))
    traces = [
        _trace([own for own in points if own.label == name], short, colour)
        for name, short, colour in zip(names, short_names(names), colours, strict=True)
    ]
    layout = named_axes("first axis of the map", "second axis of the map", height=560)
    layout["margin"] |= {"t": 60}
    layout["legend"] |= {"itemsizing": "constant"}
    return {"data": traces, "layout": layout}


def outliers_of(explored: Explored, label: str = "", *, k: int = 24) -> list[Sample]:
    """List what lies farthest out.

    Args:
        explored: what was found.
        label: of one class; empty for all.
        k: how many, at most.

    Returns:
        The samples, the farthest first.

    Examples:
        >>> outliers_of(Explored({}, {}, []))
        []
    """
    found = (own for own in _of_class(explored, label) if own.flagged[0])
    return sorted(found, key=lambda own: -(own.score or 0))[:k]


def suspects_of(explored: Explored, label: str = "", *, k: int = 24) -> list[Sample]:
    """List the samples whose label is suspected.

    Args:
        explored: what was found.
        label: of one class; empty for all.
        k: how many, at most.

    Returns:
        The samples, the surest first.

    Examples:
        >>> suspects_of(Explored({}, {}, []))
        []
    """
    found = (own for own in _of_class(explored, label) if own.flagged[1])
    return sorted(found, key=lambda own: -(own.doubt or 0))[:k]


def _of_class(explored: Explored, label: str) -> list[Sample]:
    return [own for own in explored.samples if label in {"", own.label}]


def shown(
    samples: Sequence[Sample], parts: Mapping[str, DataPart], note: Callable[[Sample], str]
) -> list[Shown]:
    """Make pictures of samples.

    Args:
        samples: any.
        parts: the data.
        note: what is said of each.

    Returns:
        A picture of each that the data have.

    Examples:
        >>> shown([], {}, str)
        []
    """
    return [
        Shown(picture(parts[own.split].images.images[own.row]), note(own))
        for own in samples
        if own.split in parts and own.row < len(parts[own.split].images)
    ]


def _trace(points: Sequence[Sample], name: str, colour: str) -> dict[str, Any]:
    return {
        "type": "scattergl",
        "mode": "markers",
        "name": name,
        "x": [own.at[0] for own in points if own.at],
        "y": [own.at[1] for own in points if own.at],
        "text": [escape(f"{own.label}, {own.place}") for own in points],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"color": colour, "size": 5, "opacity": 0.75},
    }


def _sample(row: Mapping[str, str]) -> Sample:
    x, y = row.get("map_x"), row.get("map_y")  # which older tables lack
    return Sample(
        split=row["split"],
        row=int(row["index"]),
        path=row["path"],
        label=row["label"],
        score=_number(row["outlier_score"]),
        doubt=_number(row["label_issue_score"]),
        flagged=(row["is_outlier"] == "true", row["is_label_issue"] == "true"),
        suggested=row["suggested_label"],
        at=(float(x), float(y)) if x and y else None,
    )


def _number(text: str) -> float | None:
    return float(text) if text else None
