"""The package behind the extra `exits`."""

from importlib import import_module
from types import ModuleType

from imprint.errors import MissingExtraError

__all__ = ["special_functions"]


def special_functions() -> ModuleType:
    """Import SciPy's special functions.

    Returns:
        The module `scipy.special`.

    Raises:
        MissingExtraError: where it is not installed.

    Examples:
        >>> special_functions().__name__
        'scipy.special'
    """
    try:
        return import_module("scipy.special")
    except ImportError as error:
        raise MissingExtraError(
            "scipy: expected it to be installed for calibration; pip install 'imprint[exits]'"
        ) from error
