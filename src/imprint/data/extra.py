"""The packages behind the extra `audio`."""

from importlib import import_module
from types import ModuleType

from imprint.errors import MissingExtraError

__all__ = ["require"]


def require(module: str) -> ModuleType:
    """Import a package of the extra `audio`.

    Args:
        module: its dotted name.

    Returns:
        The module.

    Raises:
        MissingExtraError: where it is not installed.

    Examples:
        >>> require("soundfile").__name__
        'soundfile'
    """
    try:
        return import_module(module)
    except (ImportError, OSError) as error:  # soundfile's wheel may come without its library
        text = f"{module}: expected it to be installed to read audio; pip install 'imprint[audio]'"
        raise MissingExtraError(text) from error
