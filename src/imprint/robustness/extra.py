"""The optional package that the attacks come from."""

from importlib import import_module
from types import ModuleType

from imprint.errors import MissingExtraError

__all__ = ["captum_robust"]


def captum_robust() -> ModuleType:
    """Import captum's attacks where they are used.

    Returns:
        `captum.robust`.

    Raises:
        MissingExtraError: without `imprint[attack]`.

    Examples:
        >>> captum_robust().__name__
        'captum.robust'
    """
    try:
        return import_module("captum.robust")
    except ImportError as error:
        raise MissingExtraError(
            "captum: expected it to be installed for attacks; pip install 'imprint[attack]'"
        ) from error
