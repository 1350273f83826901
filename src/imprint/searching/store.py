"""The table of an index, in LanceDB: in a folder here or in an object store, the same code."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

import torch
from torch import Tensor

from imprint.errors import DamagedFileError, InvalidValueError, MissingFileError
from imprint.searching.about import About
from imprint.searching.cells import PROBED, arrange, is_loose
from imprint.searching.extra import lancedb
from imprint.searching.filters import Kind, among, read_filter, same
from imprint.searching.hearing import SOUND_DIMENSIONS
from imprint.searching.rows import OWN, SOUND, Row, Stored, Value, schema_of, table_of
from imprint.searching.storage import is_remote, told

__all__ = ["Store"]

Result = TypeVar("Result")

TABLE = "signatures"

FRESH = timedelta(seconds=1)
"""How late a reader may see what another process wrote."""

DISTANCE = "_distance"

VECTORS = ("signature", SOUND)

ROUNDED = 1e-6
"""What rounding may add to a distance."""


class Store:
    """The table of an index.

    Rows come and go by whole commits: a process that is killed leaves the last one. Readers see
    one commit at a time, and the newest a second later.

    Args:
        uri: a folder, or an address such as `s3://bucket/name`.
        table: LanceDB's.

    Attributes:
        uri: likewise.
        about: what the index says of itself.
    """

    def __init__(self, uri: str, table: Any) -> None:
        self.uri, self._table = uri, table
        self.about = About.read(uri, table.schema.metadata)
        self._kinds, self._looked = self.kinds, time.monotonic()

    @classmethod
    def open(cls, uri: str, options: Mapping[str, str] | None = None) -> Self | None:
        """Open an index.

        Args:
            uri: where it lies.
            options: of the object store, as LanceDB names them.

        Returns:
            The store; None where there is none.

        Raises:
            ImprintError: where it cannot be read, or is no index of this version.
        """
        if not is_remote(uri) and not Path(uri).is_dir():
            return None
        with told(uri):
            database = _connect(uri, options)
            if TABLE not in database.list_tables().tables:
                return None
            return cls(uri, database.open_table(TABLE))

    @classmethod
    def create(cls, uri: str, about: About, options: Mapping[str, str] | None = None) -> Self:
        """Make an empty index.

        Args:
            uri: where nothing is, or an empty folder.
            about: what it is to say of itself.
            options: of the object store, as LanceDB names them.

        Returns:
            The store.

        Raises:
            StorageError: where it cannot be written.
        """
        sound = None if about.audio is None else SOUND_DIMENSIONS
        schema = schema_of(about.dimensions, {}, about.written(), sound=sound)
        with told(uri):
            return cls(uri, _connect(uri, options).create_table(TABLE, schema=schema))

    @property
    def kinds(self) -> dict[str, Kind]:
        """The columns of metadata, and what they hold."""
        schema = self._read(lambda: self._table.schema)
        others = (field for field in schema if field.name not in {*OWN, *VECTORS})
        return {own.name: "number" if str(own.type) == "double" else "text" for own in others}

    def _recent_kinds(self) -> dict[str, Kind]:
        """The same, at most so old as a reader's rows: to ask takes a tenth of a query."""
        if time.monotonic() - self._looked > FRESH.total_seconds():
            self._kinds, self._looked = self.kinds, time.monotonic()
        return self._kinds

    def widen(self, kinds: Mapping[str, Kind]) -> None:
        """Add the columns of metadata that are not there yet; rows so far have none of it.

        Args:
            kinds: what each is to hold.

        Raises:
            InvalidValueError: for a column that is there and holds other things.
        """
        own = self.kinds
        for name in own.keys() & kinds:
            if own[name] != kinds[name]:
                expected = f"{own[name]}s, as the index has them"
                raise InvalidValueError(f"{name}: expected {expected}; got {kinds[name]}s")
        new = {name: kind for name, kind in kinds.items() if name not in own}
        if new:
            fields = list(schema_of(self.about.dimensions, new, {}))[-len(new) :]
            with told(self.uri):
                self._table.add_columns(fields)
            self._kinds = self.kinds

    def put(
        self,
        rows: Sequence[Row],
        signatures: Tensor,
        *,
        known: bool,
        sounds: Tensor | None = None,
    ) -> None:
        """Write rows in one commit; those with an id that is there take its row's place.

        Args:
            rows: N, each id once.
            signatures: `(N, D)`.
            known: whether the index may hold some of the ids.
            sounds: `(N, 64)`, for an index of sound.
        """
        with told(self.uri):
            table = table_of(rows, signatures, self._table.schema, sounds)
            if known:
                merge = self._table.merge_insert("id").when_matched_update_all()
                merge.when_not_matched_insert_all().execute(table)
            else:
                self._table.add(table)

    def filter(self, where: str | None) -> str | None:
        """Read a filter expression on the columns; the same in SQL."""
        return None if where is None else read_filter(where, OWN | self.kinds)

    def delete(self, where: str) -> int:
        """Delete the rows that a filter in SQL leaves; how many there were."""
        count = self.count(where)
        if count:
            with told(self.uri):
                self._table.delete(where)
        return count

    def count(self, where: str | None = None) -> int:
        """Count the rows, or those that a filter in SQL leaves."""
        return int(self._read(lambda: self._table.count_rows(where)))

    def knows(self, ids: Sequence[str]) -> bool:
        """Tell whether any of some ids is there."""
        query = self._table.search().select(["id"]).where(among(ids))
        return bool(self._read(lambda: query.limit(1).to_arrow().num_rows))

    def rows(self, ids: Sequence[str]) -> dict[str, Stored]:
        """Read rows with their vectors, by id; ids that are not there are left out."""
        if not ids:
            return {}
        query = self._table.search().where(among(ids))
        found = self._read(lambda: query.limit(len(ids)).to_arrow())
        return {own.row.id: own for own in _stored(found, self.kinds)}

    def known(self, own: str, argument: str = "query") -> Stored:
        """Read the row of an id with its vectors; `argument` is what named it, for the error.

        Raises:
            MissingFileError: where there is none.
        """
        found = self.rows([own])
        if own not in found:
            raise MissingFileError(f"{argument}: expected an id of {self.uri}, got {own!r}")
        return found[own]

    def listed(self, most: int, where: str | None = None) -> list[Row]:
        """Read rows in the order in which they lie, without vectors; of a filter in SQL or all."""
        kinds = self.kinds
        query = self._table.search().select([*OWN, *kinds])
        asked = query if where is None else query.where(where)
        found = self._read(lambda: asked.limit(most).to_arrow().to_pylist())
        return [_row(cells, kinds) for cells in found]

    def copies(self, digest: str, most: int = 1000) -> list[Row]:
        """Read the rows of a file, by the hash of its content."""
        query = self._table.search().select([*OWN, *self.kinds]).where(same("hash", digest))
        found = self._read(lambda: query.limit(most).to_arrow().to_pylist())
        return [_row(cells, self._kinds) for cells in found]

    def sounds(self, most: int) -> Tensor:
        """Read what is kept of some sounds, `(N, 64)`, evenly spread over the index."""
        count = self.count()
        places = sorted({number * count // most for number in range(most)} if count > most
                        else range(count))  # fmt: skip
        query = self._table.take_offsets(places).select([SOUND])
        column = self._read(query.to_arrow)[SOUND].drop_null()
        return _vectors(column.combine_chunks())

    def files(self) -> Iterator[tuple[str, str, str]]:
        """Read id, path and hash of each row, one after the other."""
        columns = ["id", "path", "hash"]
        with told(self.uri):
            for batch in self._table.search().select(columns).to_batches():
                yield from zip(*(batch[name].to_pylist() for name in columns), strict=True)

    def batches(self, size: int, where: str | None = None) -> Iterator[tuple[list[str], Tensor]]:
        """Read all ids and signatures, so many at a time, of those that a filter in SQL leaves."""
        query = self._table.search().select(["id", "signature"])
        asked = query if where is None else query.where(where)
        with told(self.uri):
            for batch in asked.to_batches(batch_size=size):
                yield batch["id"].to_pylist(), _vectors(batch["signature"])

    def nearest(
        self, signature: Tensor, k: int, where: str | None = None
    ) -> list[tuple[Row, float]]:
        """Find the k rows most similar to a signature by cosine; rows of zeros are never found.

        Args:
            signature: `(D,)`.
            k: how many.
            where: a filter in SQL, which applies before.

        Returns:
            At most k rows and their similarities, most similar first.
        """
        return self.around(signature[None], k, where)[0]

    def around(
        self, signatures: Tensor, k: int, where: str | None = None
    ) -> list[list[tuple[Row, float]]]:
        """Find the same for each of several signatures, `(N, D)`."""
        kinds = self._recent_kinds()
        columns = ["id", "path", "label", *kinds, DISTANCE]
        asked = self._near(signatures.tolist(), k, where).select(columns)
        found: list[list[tuple[Row, float]]] = [[] for _ in signatures]
        for cells in self._read(lambda: _cells(asked)):
            pair = (_row(cells, kinds), _similarity(cells[DISTANCE]))
            found[cells.get("query_index", 0)].append(pair)
        return [sorted(near, key=lambda pair: -pair[1]) for near in found]

    def alike(
        self, signatures: Tensor, k: int, least: float, where: str | None = None
    ) -> list[tuple[int, str, float]]:
        """Find the rows that are at least so similar to each of several signatures.

        Args:
            signatures: `(N, D)`.
            k: rows for each, at most.
            least: the similarity.
            where: a filter in SQL.

        Returns:
            The signature's number, the row's id and the similarity of each.
        """
        asked = self._near(signatures.tolist(), k, where).select(["id", DISTANCE])
        near = asked.distance_range(upper_bound=1 - least + ROUNDED)
        found = self._read(lambda: _cells(near))
        return [(own.get("query_index", 0), own["id"], _similarity(own[DISTANCE])) for own in found]

    def _near(self, query: list[Any], k: int, where: str | None) -> Any:
        search = self._table.search(query, vector_column_name="signature").distance_type("cosine")
        asked = search.limit(k).minimum_nprobes(PROBED).maximum_nprobes(0)
        return asked if where is None else asked.where(where)

    def compact(self, keep: timedelta) -> None:
        """Merge small files, arrange rows for the search, remove versions older than `keep`."""
        kept = max(keep, timedelta(milliseconds=1))
        with told(self.uri):
            self._table.optimize(cleanup_older_than=kept)
            arrange(self._table)

    def tidy(self, keep: timedelta) -> None:
        """Likewise, but only where small files or unarranged rows have become many."""
        with told(self.uri):
            loose = is_loose(self._table)
        if loose:
            self.compact(keep)

    def _read(self, ask: Callable[[], Result]) -> Result:
        """Ask the table; where another process has removed its version, ask the newest."""
        try:
            with told(self.uri):
                return ask()
        except DamagedFileError:
            with told(self.uri):
                self._table.checkout_latest()
                return ask()


def _connect(uri: str, options: Mapping[str, str] | None) -> Any:
    given = None if options is None else dict(options)
    place = uri if is_remote(uri) else os.path.abspath(uri)  # noqa: PTH100 - "a:b" is a folder
    return lancedb().connect(place, storage_options=given, read_consistency_interval=FRESH)


def _row(cells: Mapping[str, Any], kinds: Mapping[str, Kind]) -> Row:
    values = {name: _plain(cells[name]) for name in kinds if cells[name] is not None}
    return Row(cells["id"], cells["path"], cells["label"], cells.get("hash", ""), values)


def _stored(found: Any, kinds: Mapping[str, Kind]) -> list[Stored]:
    """The rows of an Arrow table; vectors are taken over whole, number by number takes long."""
    signatures = _vectors(found["signature"].combine_chunks())
    sounds = _sounds(found)
    others = found.drop_columns(
        [name for name in ("signature", SOUND) if name in found.column_names]
    )
    rows = [_row(cells, kinds) for cells in others.to_pylist()]
    return [Stored(*own) for own in zip(rows, signatures, sounds, strict=True)]


def _sounds(found: Any) -> list[Tensor | None]:
    """What an Arrow table keeps of sounds; None for what is none."""
    if SOUND not in found.column_names:
        return [None] * found.num_rows
    column = found[SOUND].combine_chunks()
    kept = iter(_vectors(column.drop_null()))
    return [next(kept) if valid else None for valid in column.is_valid().to_pylist()]


def _vectors(column: Any) -> Tensor:
    """A column of lists of one length, none of them missing, as `(N, D)`."""
    flat = torch.from_numpy(column.flatten().to_numpy().copy())
    return flat.view(len(column), column.type.list_size)


def _cells(query: Any) -> list[dict[str, Any]]:
    """The rows that a query gives; in batches, since a table costs one more look at the schema."""
    return [cells for batch in query.to_batches() for cells in batch.to_pylist()]


def _plain(value: Value) -> Value:
    """A number as it was given: 1999, not 1999.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _similarity(distance: float) -> float:
    return min(1.0, max(-1.0, 1 - distance))
