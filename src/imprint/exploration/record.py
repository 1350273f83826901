"""What was found of a data set: a row a sample, and the result as a whole."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.exploration.pictures import pictures_of
from imprint.exploration.results import Findings
from imprint.report import Reported, explore_report
from imprint.runs import write_text

__all__ = ["COLUMNS", "Exploration"]

COLUMNS = (
    "split",
    "index",
    "path",
    "label",
    "outlier_score",
    "is_outlier",
    "duplicate_group",
    "near_duplicate_group",
    "is_leak",
    "label_issue_score",
    "is_label_issue",
    "suggested_label",
    "map_x",
    "map_y",
    "is_unreadable",
)
"""Of `samples.csv`."""


class Exploration(Reported):
    """A data set as `explore` found it.

    Attributes:
        parts: the data, by name.
        rows: all parts numbered through.
        samples: what was found of each row.
        result: what `result.json` holds; `docs/explore.md` lists the keys.
        embedding: `(M, 2)`, the rows of the first part on a map, or None.
        found: all of it, before it was put into words.

    Examples:
        >>> from imprint.exploration import explore
        >>> from imprint.types import ImageSet
        >>> pixels = torch.randint(256, (40, 1, 8, 8), dtype=torch.uint8)
        >>> pixels[3] = pixels[0]
        >>> exploration = explore(ImageSet(pixels, torch.arange(40) % 2, ("even", "odd")))
        >>> exploration.duplicates()
        [[('all', 0), ('all', 3)]]
    """

    def __init__(
        self, found: Findings, result: dict[str, Any], *, embedding: Tensor | None = None
    ) -> None:
        self.parts, self.rows, self.samples = found.parts, found.rows, found.samples
        super().__init__(result)
        self.embedding = embedding
        self.found = found

    @property
    def class_names(self) -> tuple[str, ...]:
        """The K class names."""
        return next(iter(self.parts.values())).images.class_names

    def outliers(
        self, label: str | None = None, *, k: int = 5, part: str | None = None
    ) -> list[dict[str, Any]]:
        """List the samples that lie farthest out.

        Args:
            label: of one class; None for all.
            k: how many at most.
            part: of one part; None for all.

        Returns:
            rows `split, index, path, label, score`, the farthest first.

        Raises:
            InvalidValueError: for a class or a part that there is not, or a k below 0.
        """
        if k < 0:
            raise InvalidValueError(f"k: expected at least 0, got {k}")
        chosen = self._chosen(label, part)
        scores = self.samples.outlier_score[chosen].nan_to_num(-1)
        order = scores.argsort(descending=True, stable=True)[: min(k, int((scores >= 0).sum()))]
        return [self._row(row, self.samples.outlier_score) for row in chosen[order].tolist()]

    def label_issues(self, *, k: int = 20) -> list[dict[str, Any]]:
        """List the samples whose label is most surely wrong.

        Args:
            k: how many at most.

        Returns:
            rows `split, index, path, label, score, suggested`, the surest first; none where labels
            were not looked at.
        """
        scores, suggested = self.samples.label_issue_score, self.samples.suggested_label
        if scores is None or suggested is None:
            return []
        rows = scores.argsort(descending=True, stable=True)[:k].tolist()
        return [
            {**self._row(row, scores), "suggested": self.class_names[int(suggested[row])]}
            for row in rows
        ]

    def duplicates(self, *, near: bool = False) -> list[list[tuple[str, int]]]:
        """List the groups of images that are there more than once.

        Args:
            near: whether those that are only nearly equal.

        Returns:
            a list a group of `(split, index)`.
        """
        group = self.samples.near_duplicate_group if near else self.samples.duplicate_group
        groups: dict[int, list[tuple[str, int]]] = {}
        for row in (group >= 0).nonzero()[:, 0].tolist():
            groups.setdefault(int(group[row]), []).append(self._place(row))
        return [groups[number] for number in sorted(groups)]

    def centroids(self, part: str | None = None) -> tuple[Tensor, Tensor]:
        """Give the mean image of each class, and its standard deviation.

        Args:
            part: of one part; None takes the first.

        Returns:
            both `(K, C, h, w)`, float32, in [0, 1]; at most 64 pixels a side.

        Raises:
            InvalidValueError: for a part that there is not.
        """
        if part is not None:
            self._chosen(None, part)
        moments = self.found.seen.pixels[part or self.rows.names[0]]
        shape = (-1, *self.found.seen.view)
        return moments.means.view(shape) / 255, moments.stds.view(shape) / 255

    def page(self, command: str = "") -> str:
        """Make the report; see `Reported`."""
        return explore_report(self.result, pictures_of(self.found, self.embedding), command)

    def to_csv(self, path: Path | str) -> Path:
        """Write a row a sample, see `COLUMNS`.

        Args:
            path: where to.

        Returns:
            The path.

        Raises:
            StorageError: where it cannot be written.
        """
        file = io.StringIO()
        writer = csv.writer(file)  # its line ends, or a carriage return in a path is not quoted
        writer.writerow(COLUMNS)
        writer.writerows(self._lines())
        return write_text(Path(path), file.getvalue())

    def write(self, folder: Path, command: str = "") -> None:
        """Write `samples.csv`, `report.html` and `result.json` into a folder.

        Args:
            folder: that exists.
            command: how to repeat it.

        Raises:
            StorageError: where they cannot be written.
        """
        self.to_csv(folder / "samples.csv")
        super().write(folder, command)

    def _lines(self) -> Iterator[Sequence[Any]]:
        scores = self.samples.outlier_score.tolist()
        columns = [
            ["" if score != score else f"{score:.4f}" for score in scores],  # noqa: PLR0124 - NaN
            _flags(self.samples.is_outlier, len(self.rows)),
            _groups(self.samples.duplicate_group),
            _groups(self.samples.near_duplicate_group),
            _flags(self.samples.is_leak, len(self.rows)),
            *self._issue_columns(),
            *self._map_columns(),
        ]
        for row, found in enumerate(zip(*columns, strict=True)):
            split, index = self._place(row)
            label = self.class_names[int(self.rows.labels[row])]
            yield (split, index, self._path(row), label, *found, "false")
        for name, part in self.parts.items():
            for broken in part.unreadable:
                label = self.class_names[broken.label]
                yield (name, "", broken.path, label, *[""] * 10, "true")

    def _issue_columns(self) -> list[list[str]]:
        samples = self.samples
        if samples.label_issue_score is None or samples.suggested_label is None:
            return [[""] * len(self.rows)] * 3
        return [
            [f"{score:.4f}" for score in samples.label_issue_score.tolist()],
            _flags(samples.is_label_issue, len(self.rows)),
            [self.class_names[label] for label in samples.suggested_label.tolist()],
        ]

    def _map_columns(self) -> list[list[str]]:
        """Where each row lies on the map; empty for those that are not on it."""
        count = len(self.rows)
        if self.embedding is None:
            return [[""] * count] * 2
        missing = [""] * (count - len(self.embedding))
        return [[f"{at:.3f}" for at in axis] + missing for axis in self.embedding.T.tolist()]

    def _chosen(self, label: str | None, part: str | None) -> Tensor:
        chosen = torch.ones(len(self.rows), dtype=torch.bool)
        for name, value, known, of in (
            ("label", label, self.class_names, self.rows.labels),
            ("part", part, self.rows.names, self.rows.part),
        ):
            if value is None:
                continue
            if value not in known:
                expected = ", ".join(known[:12])
                raise InvalidValueError(f"{name}: expected one of {expected}; got {value!r}")
            chosen &= of == known.index(value)
        return chosen.nonzero()[:, 0]

    def _row(self, row: int, scores: Tensor) -> dict[str, Any]:
        split, index = self._place(row)
        label = self.class_names[int(self.rows.labels[row])]
        place = {"split": split, "index": index, "path": self._path(row)}
        return {**place, "label": label, "score": round(float(scores[row]), 6)}

    def _place(self, row: int) -> tuple[str, int]:
        return self.rows.names[int(self.rows.part[row])], int(self.rows.index[row])

    def _path(self, row: int) -> str:
        name, index = self._place(row)
        paths = self.parts[name].paths
        return paths[index] if paths else ""


def _flags(values: Tensor | None, count: int) -> list[str]:
    if values is None:
        return [""] * count
    return ["true" if value else "false" for value in values.tolist()]


def _groups(numbers: Tensor) -> list[str]:
    return ["" if number < 0 else str(number) for number in numbers.tolist()]
