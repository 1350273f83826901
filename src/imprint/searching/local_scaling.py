"""Local scaling: how much more similar a row is than its own nearest rows are to it.

Some rows lie near to very many others, and come up whatever is asked: hubs. What they gain by that
is taken off.
"""

from collections.abc import Sequence
from heapq import nlargest
from statistics import fmean

import torch
from torch import Tensor

from imprint.searching.rows import Row, Stored
from imprint.searching.store import Store

__all__ = ["NEIGHBOURS", "candidates_for", "local_scaling", "ranked_anew", "usual_in_index"]

NEIGHBOURS = 3
"""Nearest rows whose similarity is usual for a row."""

LOOKED_AT = 2
"""Rows for each result that are ranked anew."""

LEAST = 100
"""Of these at least."""


def local_scaling(similarities: Tensor, usual: Tensor) -> Tensor:
    """Lower each similarity by half of what is usual for its row.

    What is usual for the query is the same for all rows, and left out.

    Args:
        similarities: `(…, N)`, cosines of a query and N rows.
        usual: `(N,)`, the mean similarity of each row to its own nearest rows.

    Returns:
        `(…, N)`, that rank the rows.

    Source: cross-domain similarity local scaling, Conneau et al. (2018), "Word translation without
        parallel data"; Schnitzer et al. (2012) for hubs in music.

    Examples:
        >>> local_scaling(torch.tensor([0.75, 0.5]), torch.tensor([1.0, 0.0]))
        tensor([0.2500, 0.5000])
    """
    return similarities - usual / 2


def candidates_for(results: int) -> int:
    """Tell how many of the nearest rows are to be ranked anew.

    Args:
        results: that are asked for.

    Returns:
        The number.

    Examples:
        >>> candidates_for(10), candidates_for(1000)
        (100, 2000)
    """
    return max(LEAST, LOOKED_AT * results)


def ranked_anew(
    store: Store, near: Sequence[tuple[Row, float]], where: str | None = None
) -> list[tuple[Row, float]]:
    """Rank rows by local scaling.

    Args:
        store: of the index.
        near: rows and their similarities to a query.
        where: a filter in SQL, as for `usual_in_index`.

    Returns:
        The same rows and similarities in another order.

    Examples:
        >>> import tempfile
        >>> from imprint.searching.about import About
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ranked_anew(Store.create(folder, About(dimensions=2)), [])
        []
    """
    stored = store.rows([row.id for row, _ in near])  # a row may be deleted meanwhile
    there = [pair for pair in near if pair[0].id in stored]
    usual = usual_in_index(store, [stored[row.id] for row, _ in there], where)
    scores = local_scaling(torch.tensor([similarity for _, similarity in there]), usual)
    return [there[place] for place in scores.argsort(descending=True, stable=True).tolist()]


def usual_in_index(store: Store, found: Sequence[Stored], where: str | None = None) -> Tensor:
    """Tell how similar rows are to the rows nearest to them.

    Args:
        store: of the index.
        found: N of its rows.
        where: a filter in SQL; only rows that it leaves are neighbours.

    Returns:
        `(N,)`, float32: the mean over the three nearest others; 0 for a row without any.

    Examples:
        >>> import tempfile
        >>> from imprint.searching.about import About
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     usual_in_index(Store.create(folder, About(dimensions=2)), [])
        tensor([])
    """
    if not found:
        return torch.zeros(0)
    signatures = torch.stack([own.signature for own in found])
    near: list[list[float]] = [[] for _ in found]
    for place, other, similarity in store.alike(signatures, NEIGHBOURS + 1, -1.0, where):
        if other != found[place].row.id:
            near[place].append(similarity)
    return torch.tensor([fmean(nlargest(NEIGHBOURS, own)) if own else 0.0 for own in near])
