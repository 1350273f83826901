"""Metadata from a CSV file: columns of one's own beside each row of an index."""

import csv
import math
import re
from collections.abc import Sequence
from pathlib import Path

from imprint.errors import DamagedFileError, InvalidValueError, MissingFileError
from imprint.searching.rows import Metadata, Value

__all__ = ["read_metadata", "typed"]

NAMES = ("id", "path", "file")
"""What the column with the rows' ids may be called, the one that counts first."""

LARGEST = 1 << 20
"""Characters of a cell, at most."""


NAMED = re.compile(r"\s*[+-]?0\d")
"""Digits that begin with a zero that counts nothing, such as 007: they name something."""


def read_metadata(path: Path) -> Metadata:
    r"""Read a CSV file with a column `id` (or `path`, `file`) and others of any names.

    Args:
        path: of the file, in UTF-8, its first line the columns' names.

    Returns:
        By id and column: numbers where a column holds nothing else, texts otherwise (such as 007)
        and in `label`; empty cells are none.

    Raises:
        MissingFileError: where there is no such file.
        DamagedFileError: where it is no CSV, or a line has more or fewer cells than columns.
        InvalidValueError: where no column names the rows, or an id or a column comes twice.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "years.csv"
        ...     _ = path.write_text("id,year,place\na.png,1999,Graz\nb.png,,Lisboa\n")
        ...     read_metadata(path)
        {'a.png': {'year': 1999.0, 'place': 'Graz'}, 'b.png': {'year': None, 'place': 'Lisboa'}}
    """
    if not path.is_file():
        raise MissingFileError(f"metadata: expected a file {path}, found none")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            names, *lines = _lines(path, csv.reader(file, strict=True))
    except (csv.Error, UnicodeError, ValueError, OSError) as error:
        if isinstance(error, DamagedFileError):
            raise
        raise DamagedFileError(f"{path}: expected a CSV file in UTF-8, {error}") from error
    key = _key_of(path, names)
    ids = _ids(path, [line[key] for line in lines])
    cells = [_cells(names[k], [line[k] for line in lines]) for k in range(len(names))]
    shown = [k for k in range(len(names)) if k != key]
    return {own: {names[k]: cells[k][row] for k in shown} for row, own in enumerate(ids)}


def _lines(path: Path, reader: "csv._reader") -> list[list[str]]:  # type: ignore[name-defined]
    lines: list[list[str]] = []
    for line in reader:
        if lines and line and len(line) != len(lines[0]):
            got = f"{len(line)} in line {reader.line_num}"
            raise DamagedFileError(f"{path}: expected {len(lines[0])} cells a line, got {got}")
        if any(len(cell) > LARGEST for cell in line):
            raise DamagedFileError(f"{path}: expected cells of at most {LARGEST:,} characters")
        if line:
            lines.append(line)
    if not lines:
        raise DamagedFileError(f"{path}: expected a line with the columns' names, got none")
    return lines


def _key_of(path: Path, names: list[str]) -> int:
    if len(set(names)) < len(names):
        raise InvalidValueError(f"{path}: expected each column once, got {', '.join(names[:12])}")
    for name in NAMES:
        if name in names:
            return names.index(name)
    got = ", ".join(names[:12])
    raise InvalidValueError(f"{path}: expected a column {', '.join(NAMES)}; got {got}")


def _ids(path: Path, ids: list[str]) -> list[str]:
    seen: set[str] = set()
    for own in ids:
        if own in seen:
            raise InvalidValueError(f"{path}: expected each row once, got {own!r} twice")
        seen.add(own)
    return ids


def _cells(name: str, cells: list[str]) -> list[Value | None]:
    """The cells of a column; a label is a text, whatever its digits."""
    return [cell or None for cell in cells] if name == "label" else typed(cells)


def typed(cells: Sequence[str]) -> list[Value | None]:
    """Read the cells of a column.

    Args:
        cells: as they stand in a file.

    Returns:
        Numbers where it holds nothing else, else texts; None where a cell is empty.

    Examples:
        >>> typed(["1999", ""]), typed(["1999", "spring"])
        ([1999.0, None], ['1999', 'spring'])
    """
    numbers = [_number(cell) for cell in cells]
    if all(number is not None for cell, number in zip(cells, numbers, strict=True) if cell):
        return [number if cell else None for cell, number in zip(cells, numbers, strict=True)]
    return [cell or None for cell in cells]


def _number(cell: str) -> float | None:
    if "_" in cell or NAMED.match(cell):  # numbers for Python, and not for people
        return None
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
