"""Where a command writes when it is not told."""

import time
from itertools import count
from pathlib import Path

__all__ = ["new_folder"]


def new_folder(command: str) -> Path:
    """Name a folder by the time; runs that start in the same second are told apart by a number.

    Args:
        command: the command's name.

    Returns:
        A path under `runs` where nothing is yet.
    """
    name = f"runs/{command}-{time.strftime('%Y-%m-%d-%H%M%S')}"
    names = (Path(name if k == 1 else f"{name}-{k}") for k in count(1))
    return next(folder for folder in names if not folder.exists())
