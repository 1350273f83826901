"""The password of the app: from a file or the environment, never from the command line."""

import asyncio
import hmac
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from imprint.errors import InvalidValueError, MissingFileError

__all__ = ["VARIABLE", "matches", "read_password"]

VARIABLE = "IMPRINT_PASSWORD"

SHORTEST = 8
"""Characters that a password has at least."""

PAUSE = 0.5
"""Seconds that a wrong one takes."""


def read_password(file: Path | None) -> str | None:
    """Read the password.

    Args:
        file: whose first line it is; None takes the environment variable `IMPRINT_PASSWORD`.

    Returns:
        The password; None where there is none.

    Raises:
        MissingFileError: where there is no such file.
        InvalidValueError: for one of fewer than eight characters, or a file that is no text.

    Examples:
        >>> read_password(Path("nowhere"))
        Traceback (most recent call last):
        imprint.errors.MissingFileError: password_file: expected a file nowhere, found none
    """
    if file is None:
        found = os.environ.get(VARIABLE)
        return None if found is None else _checked(found, VARIABLE)
    if not file.is_file():
        raise MissingFileError(f"password_file: expected a file {file}, found none")
    try:
        return _checked(file.read_text(encoding="utf-8-sig").partition("\n")[0], str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValueError(f"{file}: expected text with a password, {error}") from error


def matches(password: str) -> Callable[[str, str], Awaitable[bool]]:
    """Give what a login is checked with.

    Args:
        password: the right one.

    Returns:
        A coroutine function of name and password; any name will do. It takes one guess at a time,
        however many there are, and whoever is in already does not wait for them.

    Examples:
        >>> asyncio.iscoroutinefunction(matches("open sesame"))
        True
    """
    right, turn = password.encode(), asyncio.Lock()

    async def check(_name: str, given: str) -> bool:
        async with turn:
            same = hmac.compare_digest(given.encode(errors="replace"), right)
            if not same:
                await asyncio.sleep(PAUSE)
            return same

    return check


def _checked(password: str, where: str) -> str:
    password = password.strip()
    if len(password) < SHORTEST:
        expected = f"a password of at least {SHORTEST} characters"
        raise InvalidValueError(f"{where}: expected {expected}, got {len(password)}")
    return password
