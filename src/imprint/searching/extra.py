"""The optional package that keeps the index."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType

from imprint.errors import MissingExtraError

__all__ = ["lancedb"]

LOG = "LANCEDB_LOG"


def lancedb(module: str = "lancedb") -> ModuleType:
    """Import LanceDB where it is used.

    Args:
        module: its dotted name, for a part of the package.

    Returns:
        The module.

    Raises:
        MissingExtraError: without `imprint[search]`.

    Examples:
        >>> lancedb().__name__
        'lancedb'
    """
    try:
        with _quiet():
            return import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            "lancedb: expected it to be installed for an index; pip install 'imprint[search]'"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Let the database tell errors only, unless the user asks for more: it reads that at import."""
    asked = os.environ.get(LOG)
    os.environ.setdefault(LOG, "error")
    try:
        yield
    finally:
        if asked is None:
            del os.environ[LOG]
