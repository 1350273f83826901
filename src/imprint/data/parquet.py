"""Parquet files in the Hugging Face layout: a column of encoded images and one of labels."""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from imprint.data.columns import Columns, find_columns, image_bytes, parquet_file
from imprint.data.decoding import Decoded, Encoded, decode_all, decode_readable
from imprint.data.labels import encode_labels
from imprint.data.seeds import generator_of
from imprint.data.source import ReadOptions, Source
from imprint.data.splits import stratified_split
from imprint.errors import InvalidValueError
from imprint.types import DataPart, DataSplits, ImageSet, Unreadable

__all__ = ["SOURCE", "read_parquet", "survey_parquet"]

TRAIN = ("train",)
TEST = ("test", "validation", "valid", "val")
"""How the names of a split's files begin, the one that counts first."""

AT_ONCE = 1024
"""Rows read at a time."""

Rows = npt.NDArray[np.int64]


def read_parquet(path: Path, options: ReadOptions | None = None) -> DataSplits:
    """Read a parquet file, or a folder of them, in the Hugging Face layout.

    Args:
        path: a file, or a folder of files named `train-…`, `test-…` or `validation-…`. The images
            are a struct with `bytes`, or binary: the column `image` or `img`, or the only such one.
            The labels are the column `label`, `labels` or `fine_label`, or the only one of integers
            or strings. Where Hugging Face's metadata names the classes, these names are used.
        options: the split where the files have none, and the size of the images.

    Returns:
        images `(N, C, H, W)`, C = 1 where all are grey; see `decode_all` for sizes and memory.

    Raises:
        DamagedFileError: for a file or an image that cannot be read.
        InvalidValueError: where no column fits, an image or a label is missing (it names the row),
            or a label has no name.

    Examples:
        >>> read_parquet(Path(__file__).parent)
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: ...: expected parquet files, got none
    """
    options = options or ReadOptions()
    train_files, test_files = _split_files(path)
    columns = find_columns(train_files[0])
    train_values = _read_labels(train_files, columns)
    if test_files:
        test_values = _read_labels(test_files, columns)
        encoded = encode_labels(train_values, test_values, names=columns.class_names)
        train_labels, test_labels, names = encoded
        parts: list[tuple[list[Path], Rows | None]] = [(train_files, None), (test_files, None)]
    else:
        labels, _, names = encode_labels(train_values, names=columns.class_names)
        generator = generator_of(options.seed)
        rows = stratified_split(labels, test_share=options.test_share, generator=generator)
        train_labels, test_labels = (labels[part] for part in rows)
        parts = [(train_files, part.numpy()) for part in rows]
    streams = [partial(_stream, files, columns.image, rows) for files, rows in parts]
    train, test = decode_all(streams, image_size=options.image_size)
    return DataSplits(
        path.name, ImageSet(train, train_labels, names), ImageSet(test, test_labels, names)
    )


def survey_parquet(path: Path, options: ReadOptions | None = None) -> dict[str, DataPart]:
    """Read parquet files as they lie: no split is drawn, images that cannot be read are listed.

    Args:
        path: as for `read_parquet`; one class will do.
        options: the size of the images.

    Returns:
        `train` with `test`, `validation` and the like, by the names of the files or of the folders
        that they lie in; else `all`.

    Raises:
        DamagedFileError: for a file that cannot be read.
        InvalidValueError: as for `read_parquet`, and where no image can be read.

    Examples:
        >>> survey_parquet(Path(__file__).parent)
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: ...: expected parquet files, got none
    """
    options = options or ReadOptions()
    files = _part_files(path)
    columns = find_columns(next(iter(files.values()))[0])
    values = [_read_labels(listed, columns) for listed in files.values()]
    together, _, names = encode_labels(np.concatenate(values), names=columns.class_names, least=1)
    labels = torch.split(together, [len(part) for part in values])
    streams = [
        partial(_stream, listed, columns.image, None, lenient=True) for listed in files.values()
    ]
    decoded = decode_readable(streams, image_size=options.image_size)
    parts = zip(files.items(), labels, decoded, strict=True)
    folder = path if path.is_dir() else path.parent
    return {
        name: _part(folder, listed, codes, part, names) for (name, listed), codes, part in parts
    }


def _part(
    folder: Path, files: list[Path], labels: Tensor, decoded: Decoded, names: tuple[str, ...]
) -> DataPart:
    shown = [
        f"{file.relative_to(folder).as_posix()}, row {row}"
        for file in files
        for row in range(_rows(file))
    ]
    read = torch.ones(len(labels), dtype=torch.bool)
    read[list(decoded.failures)] = False
    broken = ((row, int(labels[row]), why) for row, why in decoded.failures.items())
    return DataPart(
        ImageSet(decoded.images, labels[read], names),
        tuple(shown[row] for row in read.nonzero()[:, 0].tolist()),
        tuple(Unreadable(shown[row], label, why) for row, label, why in broken),
        decoded.forms,
    )


def _part_files(path: Path) -> dict[str, list[Path]]:
    """All parts that a file or folder has, `train` first; or the whole, as `all`."""
    files = [path] if path.is_file() else _parquet_files(path)
    if not files:
        raise InvalidValueError(f"{path}: expected parquet files, got none")
    parts: dict[str, list[Path]] = {}
    for name in (*TRAIN, *TEST):
        rest = [file for file in files if not any(file in own for own in parts.values())]
        found = [file for file in rest if _names_part(file, path, name)]
        parts |= {name: found} if found else {}
    whole = TRAIN[0] in parts and len(parts) > 1
    return parts if whole else {"all": files}


def _names_part(file: Path, folder: Path, name: str) -> bool:
    """Whether a file's name begins with a part's, or the folder's below `folder` is it."""
    return _begins(file, name) or (file.parent != folder and file.parent.name.lower() == name)


def _rows(path: Path) -> int:
    with parquet_file(path) as file:
        rows: int = file.metadata.num_rows
        return rows


def _split_files(path: Path) -> tuple[list[Path], list[Path]]:
    """Give the files to train on and to test on; none to test on where the names tell no split."""
    if path.is_file():
        return [path], []
    files = _parquet_files(path)
    if not files:
        raise InvalidValueError(f"{path}: expected parquet files, got none")
    train = [file for file in files if _begins(file, TRAIN[0])]
    tests = ([file for file in files if _begins(file, name)] for name in TEST)
    test = next((found for found in tests if found), [])
    return (train, test) if train else (files, [])


def _begins(file: Path, name: str) -> bool:
    return re.match(rf"{name}([^a-z]|$)", file.stem, re.IGNORECASE) is not None


def _parquet_files(folder: Path) -> list[Path]:
    """List the files in a folder or, as on the hub, one folder below it."""
    return sorted(folder.glob("*.parquet")) or sorted(folder.glob("*/*.parquet"))


def _read_labels(files: Sequence[Path], columns: Columns) -> npt.NDArray[np.generic]:
    values: list[int | str] = []
    for path in files:
        with parquet_file(path) as file:
            found = file.read(columns=[columns.label]).column(0).to_pylist()
        if None in found:
            row = found.index(None)
            raise InvalidValueError(f"{path}, row {row}: expected a {columns.label}, got null")
        if columns.class_names is not None:
            _check_range(path, found, columns)
        values += found
    return np.array(values)


def _check_range(path: Path, labels: list[int], columns: Columns) -> None:
    top = len(columns.class_names or ()) - 1
    row = next((row for row, label in enumerate(labels) if not 0 <= label <= top), None)
    if row is not None:
        where = f"{path}, row {row}"
        expected = f"a {columns.label} in 0 … {top}, for which there are names"
        raise InvalidValueError(f"{where}: expected {expected}, got {labels[row]}")


def _stream(
    files: Sequence[Path], column: str, rows: Rows | None, *, lenient: bool = False
) -> Iterator[list[Encoded]]:
    """Give the images of the files; of all files together only the given rows, ascending."""
    begin = 0  # of the file among all rows
    for path in files:
        row = 0
        with parquet_file(path) as file:
            for batch in file.iter_batches(AT_ONCE, columns=[column]):
                values = image_bytes(batch.column(0))
                taken = (
                    range(len(batch)) if rows is None else _within(rows, begin + row, len(batch))
                )
                yield [_encoded(path, row + k, values[k], lenient=lenient) for k in taken]
                row += len(batch)
        begin += row


def _within(rows: Rows, start: int, length: int) -> list[int]:
    low, high = np.searchsorted(rows, (start, start + length))
    kept: list[int] = (rows[low:high] - start).tolist()
    return kept


def _encoded(path: Path, row: int, data: bytes | None, *, lenient: bool) -> Encoded:
    name = f"{path}, row {row}"
    if data is None and lenient:
        return Encoded(name, b"")
    if data is None:
        raise InvalidValueError(f"{name}: expected the bytes of an image, got null")
    return Encoded(name, data)


def _accepts(path: Path) -> bool:
    if path.is_dir():
        return bool(_parquet_files(path))
    return path.is_file() and path.suffix.lower() == ".parquet"


SOURCE = Source(
    "a parquet file or folder in the Hugging Face layout", _accepts, read_parquet, survey_parquet
)
