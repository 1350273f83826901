"""A CSV that names files of audio, their labels, and whatever else is known of them."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from imprint.data.audio_files import AudioFile, place_in
from imprint.data.parts import class_folders, is_hidden, spelled
from imprint.errors import DamagedFileError, InvalidValueError

__all__ = ["files_in_table", "find_table"]

FILE = ("file", "path", "filename", "file_name", "audio")
LABEL = ("label", "labels", "class", "genre")
TRACK = "track"
"""Names of the columns, the one that counts first."""


def find_table(folder: Path) -> Path | None:
    """Find the CSV that names the files of a folder.

    Args:
        folder: of audio.

    Returns:
        The one with a column of files; None where there is none.

    Raises:
        InvalidValueError: where there are several.
        DamagedFileError: for one that cannot be read, unless class folders hold the files.

    Examples:
        >>> find_table(Path(__file__).parent) is None
        True
    """
    tables = [path for path in sorted(folder.glob("*.csv")) if not is_hidden(path, folder)]
    within = [path for path in tables if place_in(folder, path) is None]
    naming = [path for path in within if _names_files(path, lenient=bool(class_folders(folder)))]
    if len(naming) > 1:
        names = ", ".join(path.name for path in naming)
        raise InvalidValueError(f"{folder}: expected one CSV of files, or its path; got {names}")
    return naming[0] if naming else None


def _names_files(path: Path, *, lenient: bool) -> bool:
    try:
        return _first(FILE, _header(path)) is not None
    except DamagedFileError:
        if not lenient:
            raise
        return False


def files_in_table(
    path: Path, *, label: str | None = None, lenient: bool = False
) -> list[AudioFile]:
    r"""List the files that a CSV names; a row whose label is empty is left out.

    Args:
        path: UTF-8, with a header. The files are the column `file`, `path`, `filename`,
            `file_name` or `audio`, relative to the CSV's folder and within it; a column `track`
            says which files belong together.
        label: the column of the labels; None takes `label`, `labels`, `class` or `genre`.
        lenient: whether a table without labels will do; its class is then named as the folder.

    Returns:
        The files in the table's order, with all columns; of rows that name one file, all but the
        first are refused.

    Raises:
        InvalidValueError: for a missing column, or one that comes twice; it lists those that there
            are.
        DamagedFileError: for what is no CSV.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table = Path(folder) / "tracks.csv"
        ...     _ = table.write_text("file,genre,year\n../key.wav,rock,1970\n")
        ...     [file.refused for file in files_in_table(table)]
        [InvalidValueError(...expected a file within ..., got one outside of it')]
    """
    columns = _header(path)
    file = _first(FILE, columns)
    if len(set(columns)) < len(columns):
        raise InvalidValueError(f"{path}: expected each column once, got {', '.join(columns)}")
    if file is None:
        raise _missing(path, "files", FILE, columns)
    labels = _label_column(path, label, columns, lenient=lenient)
    rows = [row for row in _rows(path) if labels is None or row[labels].strip()]
    if not rows:
        raise InvalidValueError(f"{path}: expected at least one row with a label, got none")
    named = spelled(path.parent.resolve().name) if labels is None else None
    files = [_file(path.parent, row, file, named or row[labels or file].strip()) for row in rows]
    return _each_once(files)


def _each_once(files: Sequence[AudioFile]) -> list[AudioFile]:
    """Refuse the rows of a file that an earlier row has named."""
    seen: set[str] = set()
    once = []
    for file in files:
        text = f"{file.shown}: expected each file once, got it again"
        twice = file.shown in seen and file.refused is None
        once.append(replace(file, refused=InvalidValueError(text)) if twice else file)
        seen.add(file.shown)
    return once


def _label_column(
    path: Path, label: str | None, columns: list[str], *, lenient: bool
) -> str | None:
    found = _first(LABEL if label is None else (label,), columns)
    if found is None and (label is not None or not lenient):
        raise _missing(path, "labels", LABEL if label is None else (label,), columns)
    return found


def _missing(
    path: Path, what: str, names: tuple[str, ...], columns: list[str]
) -> InvalidValueError:
    told = "; name it with label" if what == "labels" else ""
    expected = f"a column of {what} called {' or '.join(names)}"
    return InvalidValueError(f"{path}: expected {expected}, got {', '.join(columns)}{told}")


def _file(root: Path, row: Mapping[str, str], column: str, label: str) -> AudioFile:
    shown = Path(row[column].strip().replace("\\", "/")).as_posix()  # one name: ./a is a
    path = root / shown  # an absolute path replaces the root, and lies outside
    refused = place_in(root, path)
    if Path(shown).is_absolute():
        text = f"{shown}: expected a path below {root}, got an absolute one"
        refused = InvalidValueError(text)
    track = row.get(TRACK, "").strip() or shown
    return AudioFile(path, shown, label, track, columns=row, refused=refused)


def _first(names: Iterable[str], columns: list[str]) -> str | None:
    return next((name for name in names if name in columns), None)


def _header(path: Path) -> list[str]:
    lines = _lines(path, most=1)
    return lines[0] if lines else []


def _rows(path: Path) -> list[dict[str, str]]:
    """Each row by column; a short row is filled up, what a long one has more is dropped."""
    columns, *lines = _lines(path)
    width = len(columns)
    filled = ([*line, *[""] * (width - len(line))] for line in lines if any(line))
    return [dict(zip(columns, line[:width], strict=True)) for line in filled]


def _lines(path: Path, most: int | None = None) -> list[list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            return list(islice(reader, most))
    except (csv.Error, UnicodeDecodeError) as error:
        raise DamagedFileError(f"{path}: expected a CSV in UTF-8, {error}") from error
