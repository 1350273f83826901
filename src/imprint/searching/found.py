"""What a search found."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from imprint.searching.rows import Row, Value

__all__ = ["Found", "found_of"]


class Found(NamedTuple):
    """A row that a search found.

    Attributes:
        rank: from 1.
        id: its name.
        path: where it lies.
        similarity: by cosine, in [-1, 1]; higher is closer.
        label: its class; None for none.
        metadata: its other columns.
    """

    rank: int
    id: str
    path: str
    similarity: float
    label: str | None
    metadata: Mapping[str, Value | None]


def found_of(near: Sequence[tuple[Row, float]], itself: str | None, k: int) -> list[Found]:
    """Rank what is near to a query.

    Args:
        near: rows and their similarities, in order of rank.
        itself: the id of the query, which is left out; None for one that is no row.
        k: how many, at most.

    Returns:
        What was found.

    Examples:
        >>> rows = [(Row(name, "", None, "", {}), 0.5) for name in ("a", "b")]
        >>> [(own.rank, own.id) for own in found_of(rows, "a", 5)]
        [(1, 'b')]
    """
    others = [(row, similarity) for row, similarity in near if row.id != itself][:k]
    return [
        Found(rank, row.id, row.path, similarity, row.label, row.metadata)
        for rank, (row, similarity) in enumerate(others, 1)
    ]
