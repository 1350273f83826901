"""The approximate index: rows lie in cells of similar ones, and a search looks into a few."""

import math
from typing import Any

from imprint.searching.extra import lancedb

__all__ = ["EXACT", "PROBED", "arrange", "cell_size", "is_loose"]

EXACT = 50_000
"""Rows up to which each is compared with the query."""

PROBED = 8
"""Cells that a search looks into; more where a filter leaves too few rows in them."""

GROWN = 2
"""How many times as many rows an index takes before its cells are learnt anew."""

DELTAS = 8
"""Parts of the index that later rows make, each with cells of its own, before all are one."""

SMALL_FILES = 8
"""Small files, of commits that are not merged yet, that a table may have."""

UNARRANGED = 0.01
"""Share of the rows that may lie in no cell; a search compares the query with each of them."""

ROUNDS = 20
"""Rounds in which cells are learnt."""

PREFIX = "cells_of_"


def cell_size(rows: int) -> int:
    """Tell how many rows a cell is to hold: the root of their number, so that cells are as many.

    Args:
        rows: at least 1.

    Returns:
        The number.

    Examples:
        >>> cell_size(1_000_000)
        1000
    """
    return max(1, round(math.sqrt(rows)))


def arrange(table: Any, *, exact: int = EXACT) -> bool:
    """Learn the cells where size asks for them, or anew where the table has outgrown them.

    The rows in a cell are kept as they are. The size of a cell is given and not the number of
    cells, since LanceDB joins cells that are smaller than it expects.

    Args:
        table: LanceDB's, whose small files are merged already.
        exact: rows up to which each is compared with the query.

    Returns:
        Whether cells were learnt.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table = lancedb().connect(folder).create_table("some", [{"signature": [1.0, 0.0]}])
        ...     arrange(table)
        False
    """
    rows = table.count_rows()
    old = [own.name for own in table.list_indices() if own.name.startswith(PREFIX)]
    if rows <= exact or any(_serves(table, name, rows) for name in old):
        return False
    index, size = lancedb("lancedb.index"), cell_size(rows)
    config = index.IvfFlat("cosine", target_partition_size=size, max_iterations=ROUNDS)
    table.create_index("signature", config=config, name=f"{PREFIX}{size}")
    table.create_index("id", config=index.BTree(), name="ids")
    for name in old:
        if name != f"{PREFIX}{size}":
            table.drop_index(name)
    return True


def is_loose(table: Any, *, exact: int = EXACT) -> bool:
    """Tell whether it is time to merge small files and to arrange rows that came since.

    Args:
        table: LanceDB's.
        exact: as for `arrange`.

    Returns:
        True for many small files, or many rows in no cell.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table = lancedb().connect(folder).create_table("some", [{"signature": [1.0, 0.0]}])
        ...     is_loose(table), is_loose(table, exact=0)
        (False, True)
    """
    if table.stats()["fragment_stats"]["num_small_fragments"] >= SMALL_FILES:
        return True
    rows = table.count_rows()
    cells = [own.name for own in table.list_indices() if own.name.startswith(PREFIX)]
    told = [table.index_stats(name) for name in cells]
    outside = min((own.num_unindexed_rows for own in told if own is not None), default=rows)
    return bool(rows > exact and outside > UNARRANGED * rows)


def _serves(table: Any, name: str, rows: int) -> bool:
    """Whether cells still serve so many rows."""
    size, stats = name.removeprefix(PREFIX), table.index_stats(name)
    fits = size.isdigit() and rows <= GROWN * int(size) ** 2
    return fits and stats is not None and (stats.num_indices or 1) <= DELTAS
