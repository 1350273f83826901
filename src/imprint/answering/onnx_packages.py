"""The packages behind the extra `onnx`."""

from importlib import import_module
from types import ModuleType

from imprint.errors import MissingExtraError

__all__ = ["onnx_package"]


def onnx_package(name: str) -> ModuleType:
    """Import a package where it is used.

    Args:
        name: `onnx`, `onnxscript` or `onnxruntime`, or a module of theirs.

    Returns:
        The module.

    Raises:
        MissingExtraError: without `imprint[onnx]`.

    Examples:
        >>> onnx_package("onnxruntime").__name__
        'onnxruntime'
    """
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise MissingExtraError(
            f"{package}: expected it to be installed to export; pip install 'imprint[onnx]'"
        ) from error
