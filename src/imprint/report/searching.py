"""The report of `imprint search`, and its words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imprint.report.grids import Grid
from imprint.report.page import render
from imprint.report.pictures import Shown

__all__ = [
    "PairLook",
    "QueryLook",
    "WhyLook",
    "search_findings",
    "search_report",
]

Result = Mapping[str, Any]


@dataclass(frozen=True)
class WhyLook:
    """Why a row was found: the channels that agree most.

    Attributes:
        title: of which row.
        maps: the query's maps of these channels above, the row's below; None where there are none.
        channels: number of each, and the part of the similarity that it adds.
        rest: what all other channels add.
    """

    title: str
    maps: Grid | None
    channels: Sequence[tuple[int, float]]
    rest: float


@dataclass(frozen=True)
class QueryLook:
    """A query and what it found.

    Attributes:
        title: the query.
        query: its picture; None where there is none to show.
        found: the pictures of what was found, in order of rank.
        unseen: how many of these have no picture to show.
        whys: for the first of them.
    """

    title: str
    query: Shown | None
    found: Sequence[Shown]
    unseen: int
    whys: Sequence[WhyLook]


@dataclass(frozen=True)
class PairLook:
    """Two rows that are almost the same.

    Attributes:
        title: their ids and similarity.
        shown: their pictures, those that there are.
    """

    title: str
    shown: Sequence[Shown]


def search_report(
    result: Result,
    queries: Sequence[QueryLook] = (),
    pairs: Sequence[PairLook] = (),
    command: str = "",
) -> str:
    """Make the report of a search.

    Args:
        result: what `result.json` holds, of `imprint search`.
        queries: what each query looks like, with what it found.
        pairs: what near duplicates look like.
        command: how to repeat it.

    Returns:
        One HTML page with all that it needs inside.

    Examples:
        >>> asked = {"index": "albums.lance", "layer": "block2", "rows": 9, "k": 3, "where": None}
        >>> result = asked | {"queries": [], "duplicates": [], "least": None, "versions": {}}
        >>> "What is similar" in search_report(result | {"model": "runs/first", "seconds": 0.1})
        True
    """
    names = ("index", "model", "layer", "rows", "k", "where", "least", "spread", "local_scaling")
    settings = {name: result.get(name) for name in names}
    return render(
        "search.html",
        title="What is similar",
        summary=" ".join(search_findings(result)),
        queries=queries,
        pairs=pairs,
        settings={name: value for name, value in settings.items() if value is not None}
        | {f"{name} version": number for name, number in result["versions"].items()},
        command=command,
        result=result,
    )


def search_findings(result: Result) -> list[str]:
    """Say in a few sentences what a search found.

    Args:
        result: what `result.json` holds.

    Returns:
        The sentences.

    Examples:
        >>> found = [{"similarity": 0.99}, {"similarity": 0.9}]
        >>> result = {"queries": [{"query": "a", "found": found}], "rows": 1200, "least": None}
        >>> search_findings(result | {"duplicates": []})
        ['Of 1,200 rows, 2 are shown for a: similarities from 0.9000 to 0.9900.']
    """
    sentences = []
    for query in result["queries"]:
        similar = [own["similarity"] for own in query["found"]]
        some = f"Of {result['rows']:,} rows, {len(similar)} are shown for {query['query']}"
        span = f": similarities from {min(similar):.4f} to {max(similar):.4f}" if similar else ""
        sentences.append(f"{some}{span}.")
    if result["least"] is not None:
        count = len(result["duplicates"])
        pairs = f"{count:,} pairs{' or more' * (count >= result['most'])}"
        sentences.append(
            f"{pairs} of {result['rows']:,} rows have a similarity of at least {result['least']:g}."
        )
    return sentences
