"""The optional package that keeps the index."""

from importlib import import_module
from types import ModuleType

from imprint.errors import MissingExtraError

__all__ = ["lancedb"]


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
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            "lancedb: expected it to be installed for an index; pip install 'imprint[search]'"
        ) from error
