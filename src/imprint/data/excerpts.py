"""Which excerpts of a track are taken: pure functions of lengths in seconds."""

from collections.abc import Iterable
from statistics import median

__all__ = ["USUAL_SECONDS", "excerpt_starts", "usual_seconds"]

USUAL_SECONDS = 15.0
"""Of an excerpt, where none is asked for and the files are that long."""


def excerpt_starts(duration: float, seconds: float, count: int | None = None) -> list[float]:
    """Spread excerpts evenly over a track: it is cut into equal parts, the middle of each is taken.

    Args:
        duration: of the track, in seconds, above 0.
        seconds: of an excerpt, above 0.
        count: how many; None takes as many as fit. No two overlap: a track too short for all of
            them gives fewer, at least one.

    Returns:
        where each begins, in seconds, ascending; 0 for a track that is shorter than an excerpt.

    Examples:
        >>> excerpt_starts(60.0, 15.0)
        [0.0, 15.0, 30.0, 45.0]
        >>> excerpt_starts(60.0, 15.0, 2)
        [7.5, 37.5]
        >>> excerpt_starts(4.0, 15.0, 2)
        [0.0]
    """
    fitting = max(1, int(duration / seconds + 1e-6))  # 30 s at 44.1 kHz may lack a sample
    number = fitting if count is None else min(count, fitting)
    part = duration / number
    return [max(0.0, (place + 0.5) * part - seconds / 2) for place in range(number)]


def usual_seconds(durations: Iterable[float]) -> float:
    """Choose the length of the excerpts where none is asked for.

    Args:
        durations: of the files, in seconds.

    Returns:
        15, or the files' median where that is shorter: a set of short sounds is not padded.

    Examples:
        >>> usual_seconds([180.0, 240.0]), usual_seconds([1.0, 1.0, 30.0])
        (15.0, 1.0)
    """
    return min(USUAL_SECONDS, median([*durations] or [USUAL_SECONDS]))
