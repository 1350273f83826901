"""Which columns of a parquet file hold the images and the labels, and the names of the classes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from imprint.errors import DamagedFileError, InvalidValueError

__all__ = ["Columns", "find_columns", "image_bytes", "parquet_file"]

IMAGE = ("image", "img")
LABEL = ("label", "labels", "fine_label")


class Columns(NamedTuple):
    """What `find_columns` found.

    Attributes:
        image: the name of the images' column.
        label: the name of the labels' column.
        class_names: what label 0, 1, … is called, where the file says so.
    """

    image: str
    label: str
    class_names: tuple[str, ...] | None


@contextmanager
def parquet_file(path: Path) -> Iterator[Any]:
    """Open a parquet file; an error of reading, now or later, names the file.

    Args:
        path: the file.

    Yields:
        A `pyarrow.parquet.ParquetFile`.

    Raises:
        DamagedFileError: where it cannot be read.

    Examples:
        >>> with parquet_file(Path(__file__)):
        ...     pass
        Traceback (most recent call last):
        imprint.errors.DamagedFileError: ...: expected a parquet file, got ... bytes ...
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        size = path.stat().st_size
        text = f"{path}: expected a parquet file, got {size} bytes that cannot be read ({error})"
        raise DamagedFileError(text) from error


def find_columns(path: Path) -> Columns:
    """Find the images, the labels and the class names of a parquet file.

    Args:
        path: the file.

    Returns:
        the columns; see `read_parquet` for the rules.

    Raises:
        InvalidValueError: where none or several would do.
        DamagedFileError: where the file cannot be read.

    Examples:
        >>> import pyarrow as pa, pyarrow.parquet as pq, tempfile
        >>> table = pa.table({"img": pa.array([b"png"]), "digit": [3], "size": [0.5]})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pq.write_table(table, Path(folder) / "a.parquet")
        ...     find_columns(Path(folder) / "a.parquet")
        Columns(image='img', label='digit', class_names=None)
    """
    with parquet_file(path) as file:
        schema = file.schema_arrow
    image = _choose(path, schema, "images (a struct with bytes, or binary)", IMAGE, _holds_images)
    label = _choose(path, schema, "labels (integers or strings)", LABEL, _holds_labels)
    return Columns(image, label, _class_names(schema, label))


def image_bytes(column: Any) -> list[bytes | None]:
    """Give the encoded images of a column.

    Args:
        column: a pyarrow array, binary or a struct with `bytes`.

    Returns:
        the bytes of each row, or None where it has none.

    Examples:
        >>> import pyarrow as pa
        >>> image_bytes(pa.array([{"bytes": b"png", "path": "a.png"}, None]))
        [b'png', None]
    """
    import pyarrow as pa

    if pa.types.is_struct(column.type):
        column = column.flatten()[column.type.get_field_index("bytes")]
    values: list[bytes | None] = column.to_pylist()
    return values


def _choose(path: Path, schema: Any, what: str, usual: tuple[str, ...], fits: Any) -> str:
    fitting = [field.name for field in schema if fits(field.type)]
    for name in usual:
        if name in fitting:
            return name
    if len(fitting) == 1:
        return str(fitting[0])
    listed = ", ".join(f"{field.name}: {field.type}" for field in schema)
    expected = f"one column of {what}, or one of them called {' or '.join(usual)}"
    raise InvalidValueError(f"{path}: expected {expected}, got {len(fitting)} in {listed}")


def _holds_images(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return bool(kind.get_field_index("bytes") >= 0)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _holds_labels(kind: Any) -> bool:
    import pyarrow as pa

    checks = (pa.types.is_integer, pa.types.is_string, pa.types.is_large_string)
    return any(check(kind) for check in checks)


def _class_names(schema: Any, label: str) -> tuple[str, ...] | None:
    """Look the names up in the metadata that the `datasets` library writes."""
    try:
        note = json.loads((schema.metadata or {})[b"huggingface"])
        names = note["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return tuple(map(str, names)) if isinstance(names, list) else None
