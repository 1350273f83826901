"""Search a gallery for several queries and for near duplicates, and show what was found."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from imprint.errors import MissingFileError
from imprint.finding.images import RowImages
from imprint.finding.pictures import look_of, look_of_pair
from imprint.finding.record import SearchResult
from imprint.searching import Found, Gallery
from imprint.training.results import versions

__all__ = ["find"]

PAIRS = 1000
"""Near duplicates that are listed, at most."""

SHOWN = 50
"""Pairs that the report shows, at most."""


def find(
    gallery: Gallery,
    queries: Mapping[str, str | Path],
    *,
    k: int = 10,
    where: str | None = None,
    least: float | None = None,
    local_scaling: bool = False,
    pictures: bool = True,
) -> SearchResult:
    """Search for each query, and for near duplicates.

    Args:
        gallery: to search.
        queries: what each is called, and its id or the path of its image file.
        k: rows for each.
        where: a filter on columns.
        least: the similarity from which two rows are near duplicates; None looks for none.
        local_scaling: as for `Gallery.search`.
        pictures: whether to read the images for a report.

    Returns:
        The result and its report.

    Raises:
        ImprintError: as `Gallery.search` and `Gallery.near_duplicates` do.

    Examples:
        >>> find(Gallery("nowhere.lance"), {"a": "a"})
        Traceback (most recent call last):
        imprint.errors.MissingFileError: index: expected one in nowhere.lance, found none
    """
    begun, about = time.perf_counter(), gallery.about
    if about is None:
        raise MissingFileError(f"index: expected one in {gallery.uri}, found none")
    asked = {name: _query(gallery, own) for name, own in queries.items()}
    how: dict[str, Any] = {"k": k, "where": where, "local_scaling": local_scaling}
    found = {name: gallery.search(own, **how) for name, own in asked.items()}
    pairs = [] if least is None else gallery.near_duplicates(least, where=where, most=PAIRS)
    seconds = time.perf_counter() - begun
    images = RowImages(about.shape, about.audio)
    looks = [look_of(gallery, name, asked[name], rows, images) for name, rows in found.items()
             if pictures]  # fmt: skip
    twins = [look_of_pair(gallery, pair, images) for pair in pairs[:SHOWN] if pictures]
    lines = [{"query": name, "found": [_line(own) for own in rows]} for name, rows in found.items()]
    result = {
        "command": "search",
        "index": gallery.uri,
        "rows": len(gallery),
        "layer": about.layer,
        "model": about.run,
        **how,
        "least": least,
        "most": PAIRS,
        "queries": lines,
        "duplicates": [pair._asdict() for pair in pairs],
        "seconds": seconds,
        "versions": versions(),
    }
    return SearchResult(result, looks, twins)


def _query(gallery: Gallery, own: str | Path) -> str | Tensor:
    return own if isinstance(own, str) else gallery.image_of(own)


def _line(row: Found) -> dict[str, Any]:
    """A row that was found, flat: what stands in every index, then its own columns."""
    plain = {name: value for name, value in row._asdict().items() if name != "metadata"}
    return plain | dict(row.metadata)
