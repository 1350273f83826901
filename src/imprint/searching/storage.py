"""What goes wrong in the database, in words of ours."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imprint.errors import DamagedFileError, ImprintError, InvalidValueError, StorageError

__all__ = ["is_remote", "told"]

CODE = re.compile(r"os error (?P<code>\d+)")
MISSING = "Not found"
REACHED = ("Generic S3", 'store: "S3"', "status: 4", "status: 5", "error sending request")
"""What the database's errors say where an object store does not answer or refuses."""

CROSSED = ("already exists", "ommit conflict")
"""What they say where two write at once."""


def is_remote(uri: str) -> bool:
    """Tell whether an index lies in an object store.

    Args:
        uri: of the index.

    Returns:
        False for a folder here.

    Examples:
        >>> is_remote("s3://albums/index.lance"), is_remote("albums.lance")
        (True, False)
    """
    return "://" in uri


@contextmanager
def told(uri: str) -> Iterator[None]:
    """Turn the database's errors into one that names the index and the cause.

    Args:
        uri: of the index.

    Raises:
        StorageError: where a disk is full, a folder read-only, an object store out of reach.
        DamagedFileError: where a file of the index is missing or cannot be read.
        InvalidValueError: for a text that is none, as a file's name may be.

    Examples:
        >>> with told("albums.lance"):
        ...     raise RuntimeError("lance error: LanceError(IO): File too large (os error 27), at")
        Traceback (most recent call last):
        imprint.errors.StorageError: albums.lance: expected to be able to write here, File too large
    """
    try:
        yield
    except ImprintError:
        raise
    except UnicodeEncodeError as error:
        got = error.object[max(0, error.start - 20) : error.end]
        raise InvalidValueError(f"{uri}: expected texts in UTF-8, got {got!a}") from error
    except (RuntimeError, OSError, ValueError) as error:
        raise _translated(uri, error) from error


def _translated(uri: str, error: Exception) -> ImprintError:
    text = str(error)
    code = _code_of(error, text)
    if code is not None and code != errno.ENOENT:
        return StorageError(f"{uri}: expected to be able to write here, {os.strerror(code)}")
    if any(part in text for part in CROSSED):
        return StorageError(f"{uri}: expected no other process to write here, {_short(text)}")
    if is_remote(uri) and any(part in text for part in REACHED):
        return StorageError(f"{uri}: expected an object store that answers, got {_short(text)}")
    if code == errno.ENOENT and not Path(uri).exists():
        return StorageError(f"{uri}: expected to be able to write here, {os.strerror(code)}")
    return DamagedFileError(f"{uri}: expected an index that can be read, got {_short(text)}")


def _code_of(error: Exception, text: str) -> int | None:
    found = CODE.search(text)
    if found is not None:
        return int(found["code"])
    return error.errno if isinstance(error, OSError) else None


def _short(text: str) -> str:
    """The first words, without where in the database's source they come from."""
    plain = re.sub(r"^lance error: |LanceError\((\w+)\): |, /[\w./-]+:\d+:\d+", "", text)
    return " ".join(plain.split())[:160]
