"""The rows of an index, and the columns that hold them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.searching.filters import KEYWORDS, Kind

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "OWN",
    "SOUND",
    "Metadata",
    "Row",
    "Stored",
    "Value",
    "is_free",
    "joined_kinds",
    "kinds_of",
    "rows_of",
    "schema_of",
    "table_of",
]

Value = str | float
"""What a cell of metadata holds."""

Metadata = Mapping[str, Mapping[str, Value | None]]
"""Cells by the id of their row and the name of their column."""

OWN: dict[str, Kind] = {"id": "text", "path": "text", "label": "text", "hash": "text"}
"""The columns that every index has, beside `signature`."""

SOUND = "_sound"
"""The column of what is timbre and what is harmony, in an index of sound."""

TAKEN = {*OWN, "signature", "rank", "similarity", "query"}


class Row(NamedTuple):
    """What an index says of one image or track.

    Attributes:
        id: its name, once in an index.
        path: where it lies.
        label: its class; None for none.
        hash: of its content.
        metadata: a value for each column of its own; what is missing is none.
    """

    id: str
    path: str
    label: str | None
    hash: str
    metadata: Mapping[str, Value | None]


class Stored(NamedTuple):
    """A row with its vectors.

    Attributes:
        row: what the index says of it.
        signature: `(D,)`.
        sound: `(64,)`, as `sound_vectors` gives it; None where it is of no sound.
    """

    row: Row
    signature: Tensor
    sound: Tensor | None


def kinds_of(metadata: Iterable[Mapping[str, Value | None]]) -> dict[str, Kind]:
    """Tell what the columns of metadata hold.

    Args:
        metadata: the cells of each row by their column.

    Returns:
        The columns with any value, in the order in which they come.

    Raises:
        InvalidValueError: for a name that no filter could use or an index has for itself, a value
            that is neither text nor a number, or a column of both.

    Examples:
        >>> kinds_of([{"year": 1999, "place": None}, {"place": "Graz"}])
        {'year': 'number', 'place': 'text'}
    """
    kinds: dict[str, Kind] = {}
    checked: set[str] = set()
    for cells in metadata:
        for name, value in cells.items():
            if name not in checked:
                _check_name(name)
                checked.add(name)
            if value is not None:
                kind = _kind_of(name, value)
                if kinds.setdefault(name, "text" if name == "label" else kind) != kind:
                    raise InvalidValueError(f"{name}: expected {kinds[name]}s, got {value!r}")
    kinds.pop("label", None)
    return kinds


def joined_kinds(own: Mapping[str, Kind], given: Mapping[str, Kind]) -> dict[str, Kind]:
    """Join what columns hold by their source with what metadata say of them.

    Args:
        own: of the source.
        given: of the metadata.

    Returns:
        All of them.

    Raises:
        InvalidValueError: where one column would hold texts and numbers.

    Examples:
        >>> joined_kinds({"track": "text"}, {"year": "number"})
        {'track': 'text', 'year': 'number'}
    """
    for name in own.keys() & given:
        if own[name] != given[name]:
            expected = f"{own[name]}s, as the data have them"
            raise InvalidValueError(f"{name}: expected {expected}; got {given[name]}s")
    return {**own, **given}


def rows_of(ids: Sequence[str], labels: Sequence[str | None], metadata: Metadata) -> list[Row]:
    """Make rows of signatures that are given as they are.

    Args:
        ids: N.
        labels: N.
        metadata: by id.

    Returns:
        N rows without a path.

    Raises:
        InvalidValueError: where there is not one label for each id.

    Examples:
        >>> rows_of(["a"], ["cat"], {"a": {"year": 1999}})[0].metadata
        {'year': 1999}
    """
    if len(labels) != len(ids):
        raise InvalidValueError(f"labels: expected {len(ids)}, got {len(labels)}")
    return [
        Row(own, "", label, "", filled(metadata.get(own, {})))
        for own, label in zip(ids, labels, strict=True)
    ]


def filled(cells: Mapping[str, Value | None]) -> dict[str, Value]:
    """Leave out the cells that hold nothing.

    Args:
        cells: by column.

    Returns:
        The others.

    Examples:
        >>> filled({"year": 1999, "place": None})
        {'year': 1999}
    """
    return {name: value for name, value in cells.items() if value is not None}


def is_free(name: str) -> bool:
    """Tell whether a name may be that of a column of one's own.

    Args:
        name: any text.

    Returns:
        False for what no filter could name, and for what an index has for itself.

    Examples:
        >>> is_free("composer"), is_free("release date"), is_free("path")
        (True, False, False)
    """
    return _is_name(name) and not _has_use(name) and name != "label"


def _is_name(name: object) -> bool:
    return isinstance(name, str) and name.isidentifier() and not name.startswith("_")


def _has_use(name: str) -> bool:
    return name.lower() in TAKEN - {"label"} or name.upper() in KEYWORDS


def _check_name(name: str) -> None:
    if not _is_name(name):
        expected = "a column's name of letters, digits and _, a letter first"
        raise InvalidValueError(f"metadata: expected {expected}, got {name!r}")
    if _has_use(name):
        raise InvalidValueError(f"metadata: expected another name than {name!r}, which has a use")


def _kind_of(name: str, value: object) -> Kind:
    if isinstance(value, str):
        return "text"
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return "number"
    raise InvalidValueError(f"{name}: expected texts or finite numbers, got {value!r}")


def schema_of(
    dimensions: int,
    kinds: Mapping[str, Kind],
    told: Mapping[bytes, bytes],
    *,
    sound: int | None = None,
) -> Any:
    """Give the schema of an index.

    Args:
        dimensions: D of the signatures.
        kinds: what the columns of metadata hold.
        told: what the index says of itself.
        sound: dimensions of what is kept of each sound beside; None for an index of images.

    Returns:
        A `pyarrow.Schema`.

    Examples:
        >>> schema_of(8, {"year": "number"}, {}).names
        ['id', 'path', 'label', 'hash', 'signature', 'year']
    """
    import pyarrow as pa

    fields = [pa.field(name, pa.string()) for name in OWN]
    sizes = {"signature": dimensions} | ({} if sound is None else {SOUND: sound})
    vectors = [pa.field(name, pa.list_(pa.float32(), size)) for name, size in sizes.items()]
    return pa.schema([*fields, *vectors, *_fields(kinds)], dict(told))


def _fields(kinds: Mapping[str, Kind]) -> "list[pa.Field]":
    import pyarrow as pa

    types = {"text": pa.string(), "number": pa.float64()}
    return [pa.field(name, types[kind]) for name, kind in kinds.items()]


def table_of(
    rows: Sequence[Row], signatures: Tensor, schema: Any, sounds: Tensor | None = None
) -> Any:
    """Put rows and their signatures into a table.

    Args:
        rows: N of them.
        signatures: `(N, D)`, float32.
        schema: of the index, as `schema_of` gives it.
        sounds: `(N, 64)`, as `sound_vectors` gives them; None where there are none.

    Returns:
        A `pyarrow.Table`.

    Examples:
        >>> import torch
        >>> row = Row("a", "a.png", None, "", {"year": 1999})
        >>> table = table_of([row], torch.ones(1, 2), schema_of(2, {"year": "number"}, {}))
        >>> table.to_pylist()[0]["year"], table.to_pylist()[0]["signature"]
        (1999.0, [1.0, 1.0])
    """
    import pyarrow as pa

    columns: dict[str, Any] = {name: [getattr(row, name) for row in rows] for name in OWN}
    columns["signature"] = _vectors(signatures)
    if sounds is not None:
        columns[SOUND] = _vectors(sounds)
    for field in schema:
        if field.name not in columns:
            columns[field.name] = [row.metadata.get(field.name) for row in rows]
    return pa.table(columns, schema=schema)


def _vectors(rows: Tensor) -> "pa.FixedSizeListArray":
    import pyarrow as pa

    flat = pa.array(rows.detach().cpu().float().contiguous().numpy().ravel())
    return pa.FixedSizeListArray.from_arrays(flat, rows.shape[1])
