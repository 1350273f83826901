"""Forward passes beside a training step, in which every row must get its answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["wanted_whole", "whole_batches"]

_WHOLE: ContextVar[bool] = ContextVar("whole", default=False)


@contextmanager
def whole_batches() -> Iterator[None]:
    """Let open gates pass every row and learn nothing while the block runs.

    Yields:
        Nothing.

    Examples:
        >>> with whole_batches():
        ...     wanted_whole()
        True
    """
    token = _WHOLE.set(True)
    try:
        yield
    finally:
        _WHOLE.reset(token)


def wanted_whole() -> bool:
    """Tell whether gates are to pass every row.

    Returns:
        True within `whole_batches`.

    Examples:
        >>> wanted_whole()
        False
    """
    return _WHOLE.get()
