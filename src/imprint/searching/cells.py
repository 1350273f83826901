"""The approximate index: rows lie in cells of similar ones, and a search looks into a few."""

import math
from typing import Any

from imprint.searching.extra import lancedb

__all__ = ["EXACT", "PROBED", "arrange", "cells_for"]

EXACT = 50_000
"""Rows up to which each is compared with the query."""

PROBED = 16
"""Cells that a search looks into; more where a filter leaves too few rows in them."""

GROWN = 2
"""How often as many rows as its cells are for an index holds before they are learnt anew."""

ROUNDS = 20
"""Rounds in which cells are learnt."""

PREFIX = "cells_"


def cells_for(rows: int) -> int:
    """Tell how many cells serve so many rows: their root.

    Args:
        rows: at least 1.

    Returns:
        The number.

    Examples:
        >>> cells_for(1_000_000)
        1000
    """
    return max(1, round(math.sqrt(rows)))


def arrange(table: Any, *, exact: int = EXACT) -> bool:
    """Learn the cells where size asks for them, or anew where the table has outgrown them.

    The rows of a cell are kept as they are: compressed by product quantisation they took twice as
    long to arrange and found less.

    Args:
        table: LanceDB's.
        exact: rows up to which each is compared with the query.

    Returns:
        Whether the table has cells now.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table = lancedb().connect(folder).create_table("some", [{"signature": [1.0, 0.0]}])
        ...     arrange(table)
        False
    """
    names = {own.name for own in table.list_indices()}
    rows, old = table.count_rows(), [name for name in names if name.startswith(PREFIX)]
    if rows > exact and not any(rows <= GROWN * _cells_of(name) ** 2 for name in old):
        index, cells = lancedb("lancedb.index"), cells_for(rows)
        config = index.IvfFlat("cosine", num_partitions=cells, max_iterations=ROUNDS)
        table.create_index("signature", config=config, name=f"{PREFIX}{cells}")
        table.create_index("id", config=index.BTree(), name="ids")
        for name in old:
            table.drop_index(name)
        return True
    return bool(old)


def _cells_of(name: str) -> int:
    number = name.removeprefix(PREFIX)
    return int(number) if number.isdigit() else 0
