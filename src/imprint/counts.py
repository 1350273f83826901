"""Whole numbers that a user gives: seeds, sizes of batches, how many of something."""

from numbers import Integral
from typing import Any

from imprint.errors import InvalidValueError

__all__ = ["check_count"]

MOST = 2**63 - 1
"""What torch takes as a seed."""


def check_count(name: str, value: Any, least: int = 1) -> None:
    """Check a number of something.

    Args:
        name: of the argument, for the error.
        value: what was given.
        least: that will do.

    Raises:
        InvalidValueError: for anything but a whole number from there to 2^63 - 1.

    Examples:
        >>> check_count("seeds", 3)
        >>> check_count("seeds", "3")
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: seeds: expected a whole number, got '3'
    """
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise InvalidValueError(f"{name}: expected a whole number, got {value!r}")
    if int(value) < least:
        raise InvalidValueError(f"{name}: expected at least {least}, got {value}")
    if int(value) > MOST:
        raise InvalidValueError(f"{name}: expected at most 2^63 - 1, got {value}")
