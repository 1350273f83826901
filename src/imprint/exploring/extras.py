"""Packages that a look at data needs and the core does not."""

import importlib
from typing import Any

from imprint.errors import MissingExtraError

__all__ = ["require"]


def require(module: str) -> Any:
    """Import a package of the extra `explore`.

    Args:
        module: its dotted name.

    Returns:
        The module.

    Raises:
        MissingExtraError: where it is not installed; it names the extra.

    Examples:
        >>> require("scipy.sparse").__name__
        'scipy.sparse'
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        text = f"{module}: expected it to be installed; pip install 'imprint[explore]'"
        raise MissingExtraError(text) from error
