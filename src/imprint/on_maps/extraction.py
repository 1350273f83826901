"""Maps of all images, taken once and stored."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.on_maps.store import MapStore, check_space

__all__ = ["Extraction", "extract"]

CHUNK_BYTES = 1 << 24
"""Bytes of maps that are written together, and lost together when a process is stopped."""


TOLERANCE = 0.02
"""Of the largest value: by how much maps may differ that other threads or types have summed."""


class Extraction(NamedTuple):
    """How far it is.

    Attributes:
        part: of the data set, such as `train`.
        done: images whose maps are stored.
        total: all images.
        nbytes: of the maps of all images.
    """

    part: str
    done: int
    total: int
    nbytes: int


def extract(
    store: MapStore,
    read: Callable[[Tensor], Tensor],
    *,
    batch_size: int,
    part: str = "",
    on_extract: Callable[[Extraction], None] = lambda _: None,
) -> Tensor:
    """Take the maps that a store lacks, and give all of them.

    Every batch has the same size, the last one too, which is filled up with its last image: so an
    image's maps do not depend on how many others there are.

    Args:
        store: that is empty, was left in the middle, or is complete.
        read: from rows `(M,)`, int64, of the data set to their maps `(M, C, H, W)`.
        batch_size: rows that `read` gets.
        part: what `on_extract` is told.
        on_extract: called before the first and after each chunk.

    Returns:
        `(N, C, H, W)`, mapped into memory.

    Raises:
        StorageError: where the disk will not hold them, before any work, or is full half-way; the
            next call goes on from there.
        InvalidValueError: for maps that are not finite in the store's type, or a store whose first
            maps are not what `read` gives now.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from imprint.on_maps.store import StoredMaps
        >>> about = StoredMaps("conv1", "before-activation", 3, (1, 1, 1), "float16")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store = MapStore(Path(folder), about)
        ...     extract(store, lambda rows: rows.view(-1, 1, 1, 1) + 0.5, batch_size=2).flatten()
        tensor([0.5000, 1.5000, 2.5000], dtype=torch.float16)
    """
    about = store.about
    if store.rows:
        _check_same(store, _read_full(read, torch.arange(min(batch_size, store.rows)), batch_size))
    if not store.complete:
        check_space([store])
        on_extract(Extraction(part, store.rows, about.count, about.nbytes))
    fitting = max(1, CHUNK_BYTES // (about.row_bytes * batch_size))
    batches = min(fitting, math.ceil((about.count - store.rows) / batch_size))
    room = about.empty(batches * batch_size)  # one for all: fresh memory costs more than maps
    while not store.complete:
        rows = torch.arange(store.rows, min(about.count, store.rows + len(room)))
        for some, place in zip(
            torch.split(rows, batch_size), torch.split(room, batch_size), strict=False
        ):
            place[: len(some)] = _read_full(read, some, batch_size)
        store.append(room[: len(rows)])
        on_extract(Extraction(part, store.rows, about.count, about.nbytes))
    return store.maps()


def _check_same(store: MapStore, now: Tensor) -> None:
    """Weights and images can be the same where the network's code is not: look at some maps."""
    kept, now = store.first(len(now)).float(), now.detach().cpu().float()
    most = float(kept.abs().max())
    apart = float((now - kept).abs().max())
    if not apart <= TOLERANCE * most:
        expected = "the maps that the network gives now"
        got = f"others, up to {apart:g} apart; name another store, or remove it"
        raise InvalidValueError(f"store {store.folder}: expected {expected}, got {got}")


def _read_full(read: Callable[[Tensor], Tensor], rows: Tensor, batch_size: int) -> Tensor:
    """Read a batch that is filled up with its last row."""
    missing = rows[-1:].expand(batch_size - len(rows))
    return read(torch.cat([rows, missing]))[: len(rows)]
