"""Near duplicates: pairs of rows whose signatures are almost the same."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.searching.cells import EXACT
from imprint.searching.store import Store

__all__ = ["Pair", "near_pairs"]

AT_ONCE = 1024
"""Rows that are compared together."""

MOST = 100_000
"""Pairs to give, at most."""

LOOKED_AT = 20
"""Rows that are looked at for each, beyond the size up to which all are."""

ROUNDED = 1e-6
"""By how much rounding may lower a similarity."""


class Pair(NamedTuple):
    """Two rows that are almost the same.

    Attributes:
        first: the id of one, the smaller.
        second: of the other.
        similarity: of their signatures.
    """

    first: str
    second: str
    similarity: float


def near_pairs(
    store: Store, least: float, where: str | None = None, *, most: int, exact: int = EXACT
) -> list[Pair]:
    """Find the pairs of rows that are at least so similar.

    Args:
        store: of the index.
        least: the similarity, above 0.
        where: a filter in SQL on both.
        most: pairs to give, the most similar ones.
        exact: rows up to which each is compared with each; beyond, with its 20 nearest.

    Returns:
        The pairs, the most similar first; each once.

    Raises:
        InvalidValueError: for a similarity or a number out of range.

    Examples:
        >>> import tempfile
        >>> from imprint.searching.about import About
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     near_pairs(Store.create(folder, About(dimensions=8)), 0.99, most=10)
        []
    """
    if not 0 < least <= 1:
        raise InvalidValueError(f"least: expected a similarity in (0, 1], got {least}")
    if not 1 <= most <= MOST:
        raise InvalidValueError(f"most: expected 1 … {MOST:,}, got {most}")
    search = _compared if store.count(where) <= exact else _looked_up
    best: dict[tuple[str, str], float] = {}
    for pair in search(store, least, where, most):
        best[pair.first, pair.second] = pair.similarity
        if len(best) > 2 * most:
            best = dict(_first(best, most))
    return [Pair(*ids, similarity) for ids, similarity in _first(best, most)]


def _first(pairs: dict[tuple[str, str], float], most: int) -> list[tuple[tuple[str, str], float]]:
    return sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))[:most]


def _compared(store: Store, least: float, where: str | None, most: int) -> Iterator[Pair]:
    """Each row with each."""
    ids: list[str] = []
    parts = []
    for names, signatures in store.batches(AT_ONCE, where):
        ids += names
        parts.append(F.normalize(signatures, dim=1))
    rows = torch.cat(parts) if parts else torch.zeros(0, 1)
    for start in range(0, len(rows), AT_ONCE):
        similarity = rows[start : start + AT_ONCE] @ rows[start:].T
        for row, column, value in _closest(similarity, least, most):
            yield _pair(ids[start + row], ids[start + column], value)


def _closest(similarity: Tensor, least: float, most: int) -> Iterator[tuple[int, int, float]]:
    """Places above the diagonal that are at least so similar; of too many the most similar."""
    alike = (similarity >= max(least - ROUNDED, least / 2)).triu(1)
    if int(alike.sum()) <= most:
        places = alike.flatten().nonzero()[:, 0]
    else:  # all blank images are alike
        places = similarity.where(alike, -torch.inf).flatten().topk(most).indices
    width = similarity.shape[1]
    values = similarity.flatten()[places].tolist()
    yield from zip((places // width).tolist(), (places % width).tolist(), values, strict=True)


def _looked_up(store: Store, least: float, where: str | None, _most: int) -> Iterator[Pair]:
    """Each row with its nearest."""
    for ids, signatures in store.batches(AT_ONCE, where):
        for row, other, similarity in store.alike(signatures, LOOKED_AT, least, where):
            if ids[row] != other:
                yield _pair(ids[row], other, similarity)


def _pair(one: str, other: str, similarity: float) -> Pair:
    return Pair(min(one, other), max(one, other), min(1.0, similarity))
