"""Hubs: rows that lie near to very many others, and come up whatever is asked.

Local scaling takes off what they gain by that: how similar a row is to its own nearest rows.
"""

from collections.abc import Sequence
from statistics import fmean

import torch
from torch import Tensor

from imprint.searching.recommending import first_of_each
from imprint.searching.rows import Row, Stored
from imprint.searching.store import Store
from imprint.searching.tracks import track_of

__all__ = ["nearest_scaled", "scaled_locally", "usual_in_index"]

NEIGHBOURS = 10
"""Nearest tracks whose similarity is usual for a row, as many as Conneau et al. (2018) took."""

LARGEST = 1000
"""Rows that are looked at, at most, to find so many tracks."""

AT_ONCE = 1024
"""Rows whose nearest are looked up together."""

LOOKED_AT = 2
"""Rows for each result that are ranked anew."""

LEAST = 100
"""Of these at least."""


def scaled_locally(similarities: Tensor, usual: Tensor) -> Tensor:
    """Lower each similarity by half of what is usual for its row.

    What is usual for the query is the same for all rows, and left out.

    Args:
        similarities: `(…, N)`, cosines of a query and N rows.
        usual: `(N,)`, the mean similarity of each row to those nearest to it.

    Returns:
        `(…, N)`, that rank the rows.

    Source: cross-domain similarity local scaling, Conneau et al. (2018), "Word translation without
        parallel data"; Schnitzer et al. (2012) for hubs in music.

    Examples:
        >>> scaled_locally(torch.tensor([0.75, 0.5]), torch.tensor([1.0, 0.0]))
        tensor([0.2500, 0.5000])
    """
    return similarities - usual / 2


def nearest_scaled(
    store: Store, signature: Tensor, k: int, where: str | None = None
) -> list[tuple[Row, float]]:
    """Find the k rows that rank first by local scaling, among the hundred or 2 k most similar.

    Args:
        store: of the index.
        signature: `(D,)`.
        k: how many.
        where: a filter in SQL, as for `Store.nearest` and `usual_in_index`.

    Returns:
        At most k rows and their similarities, in order of rank.

    Examples:
        >>> import tempfile
        >>> from imprint.searching.about import About
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     nearest_scaled(Store.create(folder, About(dimensions=2)), torch.ones(2), 3)
        []
    """
    near = store.nearest(signature, max(LEAST, LOOKED_AT * k), where)
    stored = store.rows([row.id for row, _ in near])  # a row may be deleted meanwhile
    there = [pair for pair in near if pair[0].id in stored]
    usual = usual_in_index(store, [stored[row.id] for row, _ in there], where)
    scores = scaled_locally(torch.tensor([similarity for _, similarity in there]), usual)
    return [there[place] for place in scores.argsort(descending=True, stable=True).tolist()][:k]


def usual_in_index(store: Store, found: Sequence[Stored], where: str | None = None) -> Tensor:
    """Tell how similar rows are to the rows nearest to them.

    Rows of its own track have no part in it, and of each other track the nearest one, so that it
    does not matter how many excerpts a track has.

    Args:
        store: of the index.
        found: N of its rows.
        where: a filter in SQL; only rows that it leaves are neighbours.

    Returns:
        `(N,)`, float32: the mean over the ten nearest other tracks; 0 for a row without any.

    Examples:
        >>> import tempfile
        >>> from imprint.searching.about import About
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     usual_in_index(Store.create(folder, About(dimensions=2)), [])
        tensor([])
    """
    parts = (found[start : start + AT_ONCE] for start in range(0, len(found), AT_ONCE))
    return torch.tensor([usual for part in parts for usual in _usual(store, part, where)])


def _usual(store: Store, found: Sequence[Stored], where: str | None) -> list[float]:
    """Likewise for some rows; those whose nearest are of too few tracks ask for more."""
    usual, left, size = [0.0] * len(found), list(range(len(found))), NEIGHBOURS + 1
    while left:
        near = store.around(torch.stack([found[place].signature for place in left]), size, where)
        full = []
        for place, rows in zip(left, near, strict=True):
            tracks = [track_of(row) for row, _ in rows]
            others = first_of_each(tracks, {track_of(found[place].row)})[:NEIGHBOURS]
            usual[place] = fmean(rows[other][1] for other in others) if others else 0.0
            if len(others) < NEIGHBOURS and len(rows) == size < LARGEST:
                full.append(place)
        left, size = full, min(LARGEST, 4 * size)
    return usual
