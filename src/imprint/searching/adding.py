"""One chunk of entries after the other: what is new is signed, what is known is skipped."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from imprint.errors import ImprintError, InvalidValueError
from imprint.searching.classical import ClassicalSigner
from imprint.searching.entries import Entries, Entry
from imprint.searching.hearing import sound_vectors
from imprint.searching.rows import Metadata, Row, Stored, filled
from imprint.searching.signing import Signer
from imprint.searching.store import Store

__all__ = ["Added", "add_entries"]

CHUNK = 512
"""Entries that are committed together, and lost together when a process is killed."""

Shape = tuple[int, int, int]

Told = Callable[[str, str], None]


class Added(NamedTuple):
    """What came of adding.

    Attributes:
        added: rows that are new.
        replaced: rows whose content had changed.
        renewed: rows of the same content, with other metadata or in another place.
        unchanged: entries that were there already.
        broken: entries that could not be read.
        described: entries that the metadata tell of.
    """

    added: int = 0
    replaced: int = 0
    renewed: int = 0
    unchanged: int = 0
    broken: int = 0
    described: int = 0

    @property
    def seen(self) -> int:
        """All entries that were looked at."""
        return sum(self) - self.described

    def plus(self, other: "Added") -> "Added":
        """Add up two."""
        return Added(*(own + more for own, more in zip(self, other, strict=True)))


def add_entries(
    entries: Entries,
    signer: Signer | ClassicalSigner,
    metadata: Metadata,
    store: Store | None,
    create: Callable[[int], Store],
    *,
    batch_size: int,
    on_added: Callable[[Added], None],
    on_broken: Told,
) -> Added:
    """Add entries to an index, a chunk a commit.

    Args:
        entries: to add.
        signer: gives signatures.
        metadata: by id; what it lacks has none.
        store: of the index; None where there is none yet.
        create: makes it, for signatures of so many dimensions.
        batch_size: images that run together.
        on_added: called with what came so far, after each commit.
        on_broken: called with id and reason for each entry that cannot be read.

    Returns:
        What came of it.

    Examples:
        >>> from torch import nn
        >>> signer, told = Signer(nn.Sequential(nn.ReLU()), "0"), {"on_added": print}
        >>> none = Entries(0, (1, 8, 8), iter(()), [])
        >>> add_entries(none, signer, {}, None, print, batch_size=8, on_broken=print, **told)
        Added(added=0, replaced=0, renewed=0, unchanged=0, broken=0, described=0)
    """
    for name, reason in entries.refused:
        on_broken(name, reason)
    so_far = Added(broken=len(entries.refused))
    with ThreadPoolExecutor() as pool:
        adding = _Adding(
            signer, entries, metadata, pool, batch_size=batch_size, on_broken=on_broken
        )
        for chunk in adding.chunks(entries.each, store, create):
            so_far = so_far.plus(chunk)
            on_added(so_far)
    return so_far


class _Adding:
    """Adds entries chunk by chunk."""

    def __init__(
        self,
        signer: Signer | ClassicalSigner,
        entries: Entries,
        metadata: Metadata,
        pool: Executor,
        *,
        batch_size: int,
        on_broken: Told,
    ) -> None:
        self._signer, self._metadata = signer, metadata
        self._shape, self._is_sound = entries.shape, entries.audio is not None
        self._pool, self._batch_size, self._on_broken = pool, batch_size, on_broken

    def chunks(
        self, entries: Iterator[Entry], store: Store | None, create: Callable[[int], Store]
    ) -> Iterator[Added]:
        """Add entries; gives what came of each chunk, once it is committed."""
        while some := list(islice(entries, CHUNK)):
            old = _known(store, [entry.id for entry in some])
            renewed, fresh, unchanged = self._sorted(some, old)
            signed = list(self._signed(fresh, old))
            written = [*renewed, *signed]
            if written:
                store = store or create(len(written[0].signature))
                signatures = torch.stack([own.signature for own in written])
                sounds = [own.sound for own in written if own.sound is not None]
                store.put(
                    [own.row for own in written],
                    signatures,
                    known=bool(old),
                    sounds=torch.stack(sounds) if self._is_sound else None,
                )
            replaced = sum(own.row.id in old for own in signed)
            yield Added(
                added=len(signed) - replaced,
                replaced=replaced,
                renewed=len(renewed),
                unchanged=unchanged,
                broken=len(some) - len(written) - unchanged,
                described=sum(entry.id in self._metadata for entry in some),
            )

    def _sorted(
        self, entries: list[Entry], old: dict[str, Stored]
    ) -> tuple[list[Stored], list[Entry], int]:
        """Rows of known content with new words, entries to be signed, the count of the others."""
        renewed, fresh, unchanged = [], [], 0
        there = [entry for entry in entries if entry.id in old]
        hashes = dict(zip([entry.id for entry in there], self._pool.map(_hash, there), strict=True))
        for entry in entries:
            before, own = old.get(entry.id), hashes.get(entry.id)
            if before is None or own != before.row.hash:
                if before is not None and _is_anothers(entry, before.row):
                    reason = f"expected an id of its own, {before.row.path} has it as well"
                    self._on_broken(entry.id, reason)
                else:
                    fresh.append(entry)
            elif (row := self._row(entry, before.row.hash, before)) == before.row:
                unchanged += 1
            else:
                renewed.append(before._replace(row=row))
        return renewed, fresh, unchanged

    def _signed(self, entries: list[Entry], old: Mapping[str, Stored]) -> Iterator[Stored]:
        """Read and sign entries, some at a time; those that fail are told."""
        for start in range(0, len(entries), self._batch_size):
            some = entries[start : start + self._batch_size]
            good: list[tuple[Entry, str, Tensor]] = []
            for entry, got in zip(some, self._pool.map(self._read, some), strict=True):
                if isinstance(got, str):
                    self._on_broken(entry.id, got)
                else:
                    good.append((entry, *got))
            vectors = self._vectors([own[2] for own in good]) if good else ()
            for (entry, own, _), (signature, sound) in zip(good, vectors, strict=True):
                if bool(signature.isfinite().all()):
                    yield Stored(self._row(entry, own, old.get(entry.id)), signature, sound)
                else:
                    self._on_broken(entry.id, "expected finite maps, the network gives others")

    def _vectors(self, images: list[Tensor]) -> Iterator[tuple[Tensor, Tensor | None]]:
        """The signature of each image, and what is timbre and harmony in it, if it is of sound."""
        batch = torch.stack(images)
        sounds = sound_vectors(batch) if self._is_sound else [None] * len(batch)
        return zip(self._signer(batch), sounds, strict=True)

    def _read(self, entry: Entry) -> tuple[str, Tensor] | str:
        """The hash of an entry's content and its image, or what is wrong with it."""
        try:
            return entry.read(self._shape)
        except (ImprintError, OSError) as error:
            return str(error)

    def _row(self, entry: Entry, own: str, before: Stored | None) -> Row:
        """An entry's row; of one that is there, columns that the metadata leave out stay."""
        given = {**entry.metadata, **self._metadata.get(entry.id, {})}
        kept = {} if before is None else before.row.metadata
        cells = filled({**kept, **given})
        label = cells.pop("label", entry.label)
        return Row(entry.id, entry.path, None if label is None else str(label), own, cells)


def _known(store: Store | None, ids: list[str]) -> dict[str, Stored]:
    """What an index has of some ids, each of which comes once."""
    if len(set(ids)) < len(ids):
        twice = next(own for own in ids if ids.count(own) > 1)
        raise InvalidValueError(f"ids: expected each once, got {twice!r} twice")
    return store.rows(ids) if store else {}


def _is_anothers(entry: Entry, before: Row) -> bool:
    """Whether an id is that of another file, which is still there."""
    return before.path != entry.path and Path(before.path).is_file()


def _hash(entry: Entry) -> str | None:
    try:
        return entry.hashed()
    except OSError:
        return None  # it is told once it is read
