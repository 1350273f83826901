"""The package behind the extra `app`, told to stay at home."""

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from imprint.errors import MissingExtraError

__all__ = ["gradio", "quiet_environment"]


def quiet_environment(cache: Path) -> dict[str, str]:
    """Say by environment variables that nothing is to be sent, and where uploads go.

    Args:
        cache: the app's own folder.

    Returns:
        The variables.

    Examples:
        >>> quiet_environment(Path("cache"))["GRADIO_TEMP_DIR"]
        'cache'
    """
    return {
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_TEMP_DIR": str(cache),
        "GRADIO_RUN_HISTORY": "False",
        "GRADIO_MCP_SERVER": "False",
        "GRADIO_SSR_MODE": "False",
        "GRADIO_SHARE": "False",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def gradio(cache: Path | None = None) -> Any:
    """Import Gradio where it is used.

    Args:
        cache: the app's own folder, at the first call, before Gradio looks at its environment.

    Returns:
        The module.

    Raises:
        MissingExtraError: without `imprint[app]`.

    Examples:
        >>> gradio.__name__
        'gradio'
    """
    if cache is not None:
        os.environ.update(quiet_environment(cache))
    try:
        return import_module("gradio")
    except ImportError as error:
        raise MissingExtraError(
            "gradio: expected it to be installed for the app; pip install 'imprint[app]'"
        ) from error
