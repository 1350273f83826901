"""Runs whose files are not as their command writes them: told in words, whatever is wrong."""

from collections.abc import Iterator
from contextlib import contextmanager

from imprint.errors import DamagedFileError, ImprintError

__all__ = ["told_as_damaged"]

SIGNS = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, OSError)
"""What comes of reading a value that is not there, or is of another kind."""


@contextmanager
def told_as_damaged(run: str) -> Iterator[None]:
    """Tell that a run is damaged where its files lack something, or hold it in another form.

    Args:
        run: what an error calls it.

    Raises:
        DamagedFileError: where the block fails by what it reads; other errors of Imprint pass.

    Examples:
        >>> with told_as_damaged("first"):
        ...     {}["epochs"]
        Traceback (most recent call last):
        imprint.errors.DamagedFileError: first: expected a run as its command writes it, got KeyError: 'epochs'
    """  # noqa: E501
    try:
        yield
    except ImprintError:
        raise
    except SIGNS as error:
        got = f"{type(error).__name__}: {error}"
        raise DamagedFileError(
            f"{run}: expected a run as its command writes it, got {got}"
        ) from error
