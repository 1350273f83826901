"""Shares and probabilities that a user gives."""

from numbers import Real
from typing import Any

from imprint.errors import InvalidValueError

__all__ = ["check_share"]


def check_share(name: str, value: Any) -> None:
    """Check a share of something, or a probability, that is neither nothing nor all.

    Args:
        name: of the argument, for the error.
        value: what was given.

    Raises:
        InvalidValueError: for anything but a number in (0, 1).

    Examples:
        >>> check_share("confidence", 0.95)
        >>> check_share("confidence", 95)
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: confidence: expected a value in (0, 1), got 95
    """
    if not isinstance(value, Real) or not 0 < float(value) < 1:
        raise InvalidValueError(f"{name}: expected a value in (0, 1), got {value!r}")
