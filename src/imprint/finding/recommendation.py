"""Recommend out of a gallery by what is liked and what is not, and show what came."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imprint.errors import MissingFileError
from imprint.finding.images import RowImages
from imprint.report import QueryLook, Reported, Shown, picture, search_report
from imprint.searching import Gallery, Suggested
from imprint.training.results import versions

__all__ = ["Recommendation", "recommend"]


class Recommendation(Reported):
    """What `recommend` came to.

    Attributes:
        result: what `result.json` holds; `docs/recommend.md` lists the keys.
    """

    def __init__(self, result: dict[str, Any], look: QueryLook) -> None:
        super().__init__(result)
        self._look = look

    def page(self, command: str = "") -> str:
        """Make the report, that of a search for all that is liked; see `Reported`."""
        query = {"query": self._look.title, "found": self.result["found"]}
        asked = {"queries": [query], "duplicates": [], "least": None}
        return search_report(self.result | asked, [self._look], [], command)


def recommend(
    gallery: Gallery,
    like: Mapping[str, str | Path],
    unlike: Mapping[str, str | Path],
    *,
    k: int = 10,
    spread: float = 0.0,
    where: str | None = None,
    local_scaling: bool = False,
    pictures: bool = True,
) -> Recommendation:
    """Recommend by what is liked and what is not.

    Args:
        gallery: to choose from.
        like: what each liked thing is called, and its id or the path of its file.
        unlike: what is not liked, likewise.
        k: how many.
        spread: how unlike one another, in [0, 1].
        where: a filter on columns.
        local_scaling: as for `Gallery.recommend`.
        pictures: whether to read the images for a report.

    Returns:
        The result and its report.

    Raises:
        ImprintError: as `Gallery.recommend` does.

    Examples:
        >>> recommend(Gallery("nowhere.lance"), {"a": "a"}, {})
        Traceback (most recent call last):
        imprint.errors.MissingFileError: index: expected one in nowhere.lance, found none
    """
    begun, about = time.perf_counter(), gallery.about
    if about is None:
        raise MissingFileError(f"index: expected one in {gallery.uri}, found none")
    liked, disliked = list(like.values()), list(unlike.values())
    how: dict[str, Any] = {
        "k": k, "spread": spread, "where": where, "local_scaling": local_scaling
    }  # fmt: skip
    found = gallery.recommend(liked, disliked, **how)
    seconds = time.perf_counter() - begun
    look = _look(_title(like, unlike), found if pictures else [],
                 RowImages(about.shape, about.audio))  # fmt: skip
    result = {
        "command": "recommend",
        "index": gallery.uri,
        "rows": len(gallery),
        "layer": about.layer,
        "model": about.run,
        "like": list(like),
        "unlike": list(unlike),
        **how,
        "found": [_line(own) for own in found],
        "seconds": seconds,
        "versions": versions(),
    }
    return Recommendation(result, look)


def _line(own: Suggested) -> dict[str, Any]:
    """A row that is recommended, flat: what stands in every index, then its own columns."""
    why = {} if own.why is None else own.why._asdict()
    kept = own._asdict()
    plain = {name: kept[name] for name in kept if name not in {"metadata", "why"}} | why
    return plain | {name: cell for name, cell in own.metadata.items() if name not in plain}


def _title(like: Mapping[str, Any], unlike: Mapping[str, Any]) -> str:
    against = f", not {', '.join(unlike)}" if unlike else ""
    return f"{', '.join(like)}{against}"


def _look(title: str, found: list[Suggested], images: RowImages) -> QueryLook:
    """The pictures of what is recommended, of those that can be read."""
    shown = [Shown(picture(image), _note(own)) for own in found
             if (image := images.of_row(own)) is not None]  # fmt: skip
    return QueryLook(title, None, shown, len(found) - len(shown), [])


def _note(own: Suggested) -> str:
    label = "" if own.label is None else f", {own.label}"
    why = "" if own.why is None else f", {own.why.agrees}"
    return f"{own.rank}. {own.id}{label}, {own.similarity:.4f}{why}"
