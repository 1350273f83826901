"""The optional package that occlusion and Grad-CAM come from."""

from importlib import import_module
from types import ModuleType

from imprint.errors import MissingExtraError

__all__ = ["captum_attr"]


def captum_attr() -> ModuleType:
    """Import captum's attributions where they are used.

    Returns:
        `captum.attr`.

    Raises:
        MissingExtraError: without `imprint[see]`.

    Examples:
        >>> captum_attr().__name__
        'captum.attr'
    """
    try:
        return import_module("captum.attr")
    except ImportError as error:
        raise MissingExtraError(
            "captum: expected it to be installed for occlusion and Grad-CAM; "
            "pip install 'imprint[see]'"
        ) from error
