"""Names for the folders that commands write to where none is given."""

import time
from itertools import count
from pathlib import Path

__all__ = ["new_folder"]


def new_folder(command: str) -> Path:
    """Name a folder by the time; those of the same second are told apart by a number.

    Args:
        command: what the folder's name begins with.

    Returns:
        A folder in `runs/` that does not exist.

    Examples:
        >>> new_folder("train").parent.name
        'runs'
    """
    name = f"runs/{command}-{time.strftime('%Y-%m-%d-%H%M%S')}"
    names = (Path(name if k == 1 else f"{name}-{k}") for k in count(1))
    return next(folder for folder in names if not folder.exists())
