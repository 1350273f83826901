"""What is recommended, and why."""

from collections.abc import Mapping
from typing import NamedTuple

from imprint.searching.parts_of_sound import Part
from imprint.searching.rows import Value

__all__ = ["Suggested", "Why"]


class Why(NamedTuple):
    """In what a sound is similar to what is liked.

    Attributes:
        timbre: the mean similarity in timbre, in [-1, 1].
        harmony: likewise in harmony.
        agrees: the part that agrees more, beside what is usual in the index.
    """

    timbre: float
    harmony: float
    agrees: Part


class Suggested(NamedTuple):
    """A row that is recommended.

    Attributes:
        rank: from 1, in the order of choice.
        id: its name.
        path: where it lies.
        score: the cosine with the direction of taste, in [-1, 1], which ranks; with local scaling
            less half of what is usual for the row.
        similarity: the mean cosine with what is liked.
        unlike_similarity: the mean cosine with what is not; None where nothing was named.
        why: in what it is similar, for sound; None for images.
        label: its class; None for none.
        metadata: its other columns.
    """

    rank: int
    id: str
    path: str
    score: float
    similarity: float
    unlike_similarity: float | None
    why: Why | None
    label: str | None
    metadata: Mapping[str, Value | None]
